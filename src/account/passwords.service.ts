import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import { LoginThrottle } from '../limits/login-throttle.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { Outbox } from '../mail/outbox.js';
import { describeDevice } from '../sessions/device-label.js';
import type { CheckedCaller } from '../sessions/check/session-checker.js';
import { SessionRevokedError } from '../sessions/sessions.errors.js';
import type { SessionGrant } from '../sessions/session-with-user.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { UsersService } from '../users/users.service.js';
import { CallerPassword } from './caller-password.js';
import { InvalidResetTokenError } from './account.errors.js';

interface Account {
  readonly id: string;
  readonly email: string;
}

/** How a password becomes another one. Each way ends every session that was opened with the old one. */
@Injectable()
export class PasswordsService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly password: CallerPassword,
    private readonly throttle: LoginThrottle,
    private readonly limit: MailedTokenLimit,
    private readonly tokens: MailedTokens,
    private readonly outbox: Outbox,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * Changes the caller's password. Every session ends, and the caller goes on in a fresh one of the same kind. Throws
   * as {@link CallerPassword.prove} does; `validation_failed` for a password we would not keep.
   */
  async change(
    caller: CheckedCaller,
    { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
    source: RequestSource,
  ): Promise<SessionGrant> {
    const { id, email } = caller.user;
    const candidate = { email, password: newPassword };
    this.users.requireAcceptablePassword(candidate, 'newPassword');

    return this.password.prove(caller, currentPassword, 'password_change_failed', source, async (verified) => {
      const passwordHash = await this.users.hash(candidate, 'newPassword');
      return this.database.transaction(async (transaction) => {
        if (!(await this.users.setPassword(transaction, { id, passwordHash }, verified.passwordHash))) {
          return null;
        }
        const ended = await this.endAll(transaction, { id, email }, 'password_changed', source);
        if (!ended.includes(caller.sessionId)) {
          // Logged out while the password was being hashed: whoever asked has no say any more.
          throw new SessionRevokedError();
        }
        return this.sessions.open(transaction, { id, passwordHash }, caller.session, source);
      });
    });
  }

  /** Mails a link to set a new password, if there is such an account. Nothing tells whether there is (ERR-05). */
  async forgot(email: string, source: RequestSource): Promise<void> {
    await this.limit.consumeMail(email, source);
    // One commit whether or not there is a mail: a second one would take time that tells.
    await this.database.transaction(async (transaction) => {
      const userId = await this.outbox.addFor(transaction, 'password_reset', email);
      const event = { type: 'password_reset_requested', outcome: 'success', userId } as const;
      await this.audit.recordWithin(transaction, event, source);
    });
  }

  /**
   * Sets a new password for whoever brings the token of a mail. Every session ends and nobody is signed in. Throws
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

    await this.database.transaction(async (transaction) => {
      const subject = await this.tokens.consume(transaction, token, ['password_reset']);
      const isSet = subject && (await this.users.setPassword(transaction, { id, passwordHash }, null));
      if (!isSet) {
        throw new InvalidResetTokenError();
      }
      await this.users.setVerified(transaction, id, email);
      await this.endAll(transaction, { id, email }, 'password_reset', source);
    });
    await this.throttle.forgive(email);
  }

  // What both have in common, after the user's row was locked by the change itself.
  private async endAll(
    transaction: Transaction,
    { id: userId, email }: Account,
    reason: 'password_changed' | 'password_reset',
    source: RequestSource,
  ): Promise<string[]> {
    await this.tokens.withdrawPending(transaction, userId);
    await this.audit.recordWithin(transaction, { type: reason, outcome: 'success', userId, actorId: userId }, source);
    const details = { device: describeDevice(source.userAgent).label, ip: source.ip };
    await this.outbox.add(transaction, { kind: 'password_changed', recipient: email, userId, details });
    return this.sessions.endAllWithin(transaction, { userId, actorId: userId }, reason, source);
  }
}
