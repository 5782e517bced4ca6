import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens, type TokenSubject } from '../mail/mailed-tokens.js';
import { Outbox } from '../mail/outbox.js';
import { describeDevice } from '../sessions/device-label.js';
import type { CheckedCaller } from '../sessions/check/session-checker.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { UsersService } from '../users/users.service.js';
import { InvalidVerificationTokenError, PasswordRequiredError } from './account.errors.js';
import { CallerPassword } from './caller-password.js';

const CONFIRMED_BY = ['email_verification', 'email_change'] as const;

/** Whether an account's owner reads its address, and how it becomes another one. */
@Injectable()
export class EmailService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly password: CallerPassword,
    private readonly limit: MailedTokenLimit,
    private readonly tokens: MailedTokens,
    private readonly outbox: Outbox,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * Confirms the address a token was mailed to; if it is a new one, it becomes the account's. Throws
   * {@link InvalidVerificationTokenError}; `email_taken` where somebody else got it first; {@link PasswordRequiredError}
   * where the account has none yet, and `validation_failed` for one we would not keep: then the token stays good.
   */
  async verify({ token, password }: { token: string; password?: string }, source: RequestSource): Promise<void> {
    await this.limit.consumeTry(source);
    const found = await this.tokens.find(this.database, token, CONFIRMED_BY);
    if (!found) {
      throw new InvalidVerificationTokenError();
    }
    const passwordHash = await this.hashChosen(found, password);
    await this.database.transaction(async (transaction) => {
      const subject = await this.tokens.consume(transaction, token, CONFIRMED_BY);
      const isDone =
        subject?.purpose === 'email_change'
          ? await this.replace(transaction, subject, source)
          : subject && (await this.confirm(transaction, subject, passwordHash, source));
      if (!isDone) {
        throw new InvalidVerificationTokenError();
      }
    });
  }

  /**
   * Mails a link to a new address, which becomes the account's once it is confirmed, and tells the present one. Nothing
   * tells whether somebody has the new one. Throws as {@link CallerPassword.prove} does where a password is given, or
   * else as {@link CallerPassword.requireRecent}.
   *
   * @param email normalised
   */
  async change(
    caller: CheckedCaller,
    { email, password }: { email: string; password?: string },
    source: RequestSource,
  ): Promise<void> {
    const request = () => this.requestChange(caller, email, source);
    if (password === undefined) {
      this.password.requireRecent(caller);
      await request();
    } else {
      await this.password.prove(caller, password, 'email_change_failed', source, request);
    }
  }

  /** Mails the link to confirm the caller's address once more. Nothing happens where it is confirmed. */
  async resend({ user: { id: userId, email, emailVerifiedAt } }: CheckedCaller, source: RequestSource): Promise<void> {
    if (emailVerifiedAt) {
      return;
    }
    await this.limit.consumeMail(email, source);
    await this.outbox.add(this.database, { kind: 'email_verification', recipient: email, userId });
  }

  private async requestChange(caller: CheckedCaller, email: string, source: RequestSource): Promise<boolean> {
    await this.limit.consumeChange(email, caller, source);
    const { user, userId, sessionId } = caller;
    return this.database.transaction(async (transaction) => {
      // What ended the session since the caller was let in ends what it asks for.
      await this.sessions.requireActive(transaction, caller);
      // Only the last one asked for can still happen.
      await this.tokens.withdraw(transaction, userId, ['email_change']);
      await this.outbox.addUnlessTaken(transaction, { kind: 'email_change', recipient: email, userId, sessionId });
      await this.outbox.add(transaction, {
        kind: 'email_change_requested',
        recipient: user.email,
        userId,
        details: { device: describeDevice(source.userAgent).label, ip: source.ip, email },
      });
      await this.audit.recordWithin(
        transaction,
        { type: 'email_change_requested', outcome: 'success', userId, sessionId, actorId: userId },
        source,
      );
      return true;
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

  private async confirm(
    transaction: Transaction,
    { userId: id, email }: TokenSubject,
    passwordHash: string | null,
    source: RequestSource,
  ) {
    if (passwordHash !== null) {
      await this.users.setPassword(transaction, { id, passwordHash }, null);
    }
    if (!(await this.users.setVerified(transaction, id, email))) {
      return false;
    }
    await this.tokens.withdraw(transaction, id, ['email_verification']);
    await this.record(transaction, 'email_verified', id, source);
    return true;
  }

  private async replace(transaction: Transaction, { userId, email, sessionId }: TokenSubject, source: RequestSource) {
    const replaced = sessionId && (await this.users.setEmail(transaction, userId, email, sessionId));
    if (!replaced) {
      return false;
    }
    // What the former address could still do with the account; but its owner may yet say "this was not me".
    await this.tokens.withdraw(transaction, userId, ['email_verification', 'email_change', 'password_reset']);
    await this.record(transaction, 'email_changed', userId, source);
    const { former: recipient, isReturn } = replaced;
    // An address that is left for the one before it has no say in that.
    const mail = isReturn
      ? { kind: 'email_change_undone' as const }
      : { kind: 'email_changed' as const, details: { email } };
    await this.outbox.add(transaction, { ...mail, recipient, userId });
    return true;
  }

  private record(
    transaction: Transaction,
    type: 'email_verified' | 'email_changed',
    userId: string,
    source: RequestSource,
  ): Promise<void> {
    return this.audit.recordWithin(transaction, { type, outcome: 'success', userId, actorId: userId }, source);
  }
}
