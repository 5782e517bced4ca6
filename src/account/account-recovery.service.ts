import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens, type TokenSubject } from '../mail/mailed-tokens.js';
import { Outbox } from '../mail/outbox.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { UsersService } from '../users/users.service.js';
import { InvalidDisownTokenError, InvalidUndoTokenError } from './account.errors.js';

/** What giving an account back did. */
export interface Recovery {
  /** How many sessions it ended. */
  readonly revoked: number;
  /** Sets a new password; null where the account keeps another address than the one that the link went to. */
  readonly resetToken: string | null;
}

/**
 * Gives an account back to its owner, who says that it was somebody else: address, sessions and password (AC-02). A
 * mailed link is the proof, and somebody else may know the password, so the password stops working at once.
 */
@Injectable()
export class AccountRecoveryService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly limit: MailedTokenLimit,
    private readonly tokens: MailedTokens,
    private readonly outbox: Outbox,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * "This was not me", of a sign-in that a mail told of. A change of address that its session asked for is undone; one
   * that another session asked for stays, since its own mail has a link to undo it. Throws {@link InvalidDisownTokenError};
   * `email_taken` where another account has the address.
   */
  async disown(token: string, source: RequestSource): Promise<Recovery> {
    await this.limit.consumeTry(source);
    return this.database.transaction(async (transaction) => {
      const subject = await this.tokens.consume(transaction, token, ['disown']);
      if (!subject?.sessionId) {
        throw new InvalidDisownTokenError();
      }
      const { userId, email, sessionId } = subject;
      const replaced = await this.users.restoreEmail(transaction, userId, email, sessionId);
      const event = { type: 'session_disowned', outcome: 'success', userId, sessionId, actorId: userId } as const;
      await this.audit.recordWithin(transaction, event, source);
      return this.giveBack(transaction, subject, replaced, source);
    });
  }

  /**
   * Undoes a change of address, for the owner of the former one. Throws {@link InvalidUndoTokenError}, also where it was
   * undone in another way; `email_taken` where another account has the address.
   */
  async undoEmailChange(token: string, source: RequestSource): Promise<Recovery> {
    await this.limit.consumeTry(source);
    return this.database.transaction(async (transaction) => {
      const subject = await this.tokens.consume(transaction, token, ['email_undo']);
      const replaced = subject && (await this.users.restoreEmail(transaction, subject.userId, subject.email, null));
      if (!subject || replaced === null) {
        throw new InvalidUndoTokenError();
      }
      return this.giveBack(transaction, subject, replaced, source);
    });
  }

  private async giveBack(
    transaction: Transaction,
    { userId, email }: TokenSubject,
    replaced: string | null,
    source: RequestSource,
  ): Promise<Recovery> {
    const whose = { userId, actorId: userId };
    await this.users.withdrawPassword(transaction, userId);
    await this.tokens.withdrawPending(transaction, userId);
    await this.sessions.forgetDevices(transaction, userId);
    const ended = await this.sessions.endAllWithin(transaction, whose, 'disowned', source);
    if (replaced !== null) {
      const event = { type: 'email_change_undone', outcome: 'success', ...whose } as const;
      await this.audit.recordWithin(transaction, event, source);
      await this.outbox.add(transaction, { kind: 'email_change_undone', recipient: replaced, userId });
    }
    // Whoever brought the link reads the address, if it is the account's.
    const isTheirs = await this.users.setVerified(transaction, userId, email);
    const reset = { purpose: 'password_reset', userId, email, sessionId: null } as const;
    return { revoked: ended.length, resetToken: isTheirs ? await this.tokens.issue(transaction, reset) : null };
  }
}
