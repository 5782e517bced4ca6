import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { RequestSource } from '../http/request-source.js';
import { LoginThrottle } from '../limits/login-throttle.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { UsersService } from '../users/users.service.js';
import { AccountChanges } from './account-change.js';
import { InvalidResetTokenError } from './account.errors.js';
import { consequencesOf } from './passwords.service.js';

/** How a person who forgot their password sets another one. */
@Injectable()
export class PasswordResetService {
  constructor(
    // The sixth: where a token is looked up before the transaction that uses it up.
    private readonly database: Database,
    private readonly limit: MailedTokenLimit,
    private readonly tokens: MailedTokens,
    private readonly users: UsersService,
    private readonly changes: AccountChanges,
    private readonly throttle: LoginThrottle,
  ) {}

  /**
   * Sets a new password with the token of a mail. Every session ends and nobody is signed in. Throws
   * {@link InvalidResetTokenError}; `validation_failed` for a password we would not keep, and the token stays good.
   */
  async reset(token: string, newPassword: string, source: RequestSource): Promise<void> {
    await this.limit.consumeTry(source);
    const found = await this.tokens.find(this.database, token, ['password_reset']);
    if (!found) {
      throw new InvalidResetTokenError();
    }
    const { userId: id, email } = found;
    const passwordHash = await this.users.hash({ email, password: newPassword }, 'newPassword');

    await this.changes.run(source, async (transaction, settle) => {
      const subject = await this.tokens.consume(transaction, token, ['password_reset']);
      if (!subject || !(await this.users.setPassword(transaction, { id, passwordHash }, null))) {
        throw new InvalidResetTokenError();
      }
      await this.users.setVerified(transaction, id, email);
      await settle(consequencesOf('password_reset', { id, email }, source));
    });
    await this.throttle.forgetFailures(email);
  }
}
