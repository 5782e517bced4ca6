import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/transaction.js';
import { Database } from '../database/database.js';
import type { RequestSource } from '../http/request-source.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens, type TokenSubject } from '../mail/mailed-tokens.js';
import { UsersService } from '../users/users.service.js';
import { AccountChanges, type Consequences } from './account-change.js';
import { InvalidVerificationTokenError, PasswordRequiredError } from './account.errors.js';

const CONFIRMED_BY = ['email_verification', 'email_change'] as const;

/** How a person shows that they read an address: the one that their account has, or another that it then gets. */
@Injectable()
export class EmailVerificationService {
  constructor(
    private readonly database: Database,
    private readonly limit: MailedTokenLimit,
    private readonly tokens: MailedTokens,
    private readonly users: UsersService,
    private readonly changes: AccountChanges,
  ) {}

  /**
   * Confirms the address a token was mailed to; if it is a new one, it becomes the account's. Throws
   * {@link InvalidVerificationTokenError}; `email_taken` where another account got it first; {@link PasswordRequiredError}
   * where the account has none yet, and `validation_failed` for one we would not keep: then the token stays good.
   */
  async verify({ token, password }: { token: string; password?: string }, source: RequestSource): Promise<void> {
    await this.limit.consumeTry(source);
    const found = await this.tokens.find(this.database, token, CONFIRMED_BY);
    if (!found) {
      throw new InvalidVerificationTokenError();
    }
    const passwordHash = await this.hashChosen(found, password);
    await this.changes.run(source, async (transaction, settle) => {
      const subject = await this.tokens.consume(transaction, token, CONFIRMED_BY);
      const consequences =
        subject?.purpose === 'email_change'
          ? await this.replace(transaction, subject)
          : subject && (await this.confirm(transaction, subject, passwordHash));
      if (!consequences) {
        throw new InvalidVerificationTokenError();
      }
      await settle(consequences);
    });
  }

  // Null where the account has a password. One without was registered more than once.
  private async hashChosen({ purpose, userId, email }: TokenSubject, password?: string): Promise<string | null> {
    if (purpose !== 'email_verification' || (await this.users.hasPassword(userId))) {
      return null;
    }
    if (password === undefined) {
      throw new PasswordRequiredError();
    }
    return this.users.hash({ email, password });
  }

  // Null if the account has another address by now.
  private async confirm(
    transaction: Transaction,
    { userId, email }: TokenSubject,
    passwordHash: string | null,
  ): Promise<Consequences | null> {
    if (passwordHash !== null) {
      await this.users.setPassword(transaction, { id: userId, passwordHash }, null);
    }
    const isVerified = await this.users.setVerified(transaction, userId, email);
    return isVerified ? { userId, withdraws: ['email_verification'], events: [{ type: 'email_verified' }] } : null;
  }

  // Null if the account is gone or disabled.
  private async replace(
    transaction: Transaction,
    { userId, email, sessionId }: TokenSubject,
  ): Promise<Consequences | null> {
    const replaced = sessionId && (await this.users.setEmail(transaction, userId, email, sessionId));
    if (!replaced) {
      return null;
    }
    const { former: recipient, isReturn } = replaced;
    return {
      userId,
      // What the former address could still do with the account; but its owner may yet say "this was not me".
      withdraws: ['email_verification', 'email_change', 'password_reset'],
      events: [{ type: 'email_changed' }],
      // Where the account returns to an address that it had, the one it leaves gets no link to undo that.
      mails: [
        isReturn
          ? { kind: 'email_change_undone', recipient }
          : { kind: 'email_changed', recipient, details: { email } },
      ],
    };
  }
}
