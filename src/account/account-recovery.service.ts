import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/transaction.js';
import type { RequestSource } from '../http/request-source.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens, type TokenSubject } from '../mail/mailed-tokens.js';
import { KnownDevices } from '../sessions/known-devices.js';
import { UsersService } from '../users/users.service.js';
import { AccountChanges, type Consequences, type Settle } from './account-change.js';
import { InvalidDisownTokenError, InvalidUndoTokenError } from './account.errors.js';

/** What giving an account back did. */
export interface Recovery {
  /** How many sessions it revoked. */
  readonly revoked: number;
  /** Sets a new password; null where the account keeps another address than the one that the link went to. */
  readonly resetToken: string | null;
}

/**
 * Gives an account back to its owner, who says that it was another person: address, sessions and password (AC-02). A
 * mailed link is the proof, and that person may know the password, so the password stops working at once.
 */
@Injectable()
export class AccountRecoveryService {
  constructor(
    private readonly limit: MailedTokenLimit,
    private readonly tokens: MailedTokens,
    private readonly users: UsersService,
    private readonly knownDevices: KnownDevices,
    private readonly changes: AccountChanges,
  ) {}

  /**
   * "This was not me", of a sign-in that was mailed about. A change of address that its session asked for is undone; one
   * that another session asked for stays, since its own mail has a link to undo it. Throws {@link InvalidDisownTokenError};
   * `email_taken` where another account has the address.
   */
  async disown(token: string, source: RequestSource): Promise<Recovery> {
    await this.limit.consumeTry(source);
    return this.changes.run(source, async (transaction, settle) => {
      const subject = await this.tokens.consume(transaction, token, ['disown']);
      if (!subject?.sessionId) {
        throw new InvalidDisownTokenError();
      }
      const { userId, email, sessionId } = subject;
      const replaced = await this.users.restoreEmail(transaction, userId, email, sessionId);
      const disowned = { type: 'session_disowned', sessionId } as const;
      return this.giveBack(transaction, subject, settle, {
        events: replaced === null ? [disowned] : [disowned, { type: 'email_change_undone' }],
        mails: replaced === null ? [] : [{ kind: 'email_change_undone', recipient: replaced }],
      });
    });
  }

  /**
   * Undoes a change of address, for the owner of the former one. Throws {@link InvalidUndoTokenError}, also where it was
   * undone in another way; `email_taken` where another account has the address.
   */
  async undoEmailChange(token: string, source: RequestSource): Promise<Recovery> {
    await this.limit.consumeTry(source);
    return this.changes.run(source, async (transaction, settle) => {
      const subject = await this.tokens.consume(transaction, token, ['email_undo']);
      const replaced = subject && (await this.users.restoreEmail(transaction, subject.userId, subject.email, null));
      if (!subject || replaced === null) {
        throw new InvalidUndoTokenError();
      }
      return this.giveBack(transaction, subject, settle, {
        events: [{ type: 'email_change_undone' }],
        mails: [{ kind: 'email_change_undone', recipient: replaced }],
      });
    });
  }

  private async giveBack(
    transaction: Transaction,
    { userId, email }: TokenSubject,
    settle: Settle,
    ofItsOwn: Pick<Consequences, 'events' | 'mails'>,
  ): Promise<Recovery> {
    await this.users.withdrawPassword(transaction, userId);
    await this.knownDevices.forget(transaction, userId);
    const revoked = await settle({ userId, withdraws: 'pending', revokes: 'disowned', ...ofItsOwn });
    // The person who brought the link reads the address, if it is the account's.
    const isTheirs = await this.users.setVerified(transaction, userId, email);
    const reset = { purpose: 'password_reset', userId, email, sessionId: null } as const;
    return { revoked: revoked.length, resetToken: isTheirs ? await this.tokens.issue(transaction, reset) : null };
  }
}
