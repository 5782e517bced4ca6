import { Injectable } from '@nestjs/common';
import { AuditTrail, type NewAuditEvent } from '../audit/audit-trail.js';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import type { RequestSource } from '../http/request-source.js';
import type { TokenPurpose } from '../mail/mailed-token.entity.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { type NewMail, Outbox } from '../mail/outbox.js';
import { Revocations } from '../sessions/revoke/revocations.js';
import type { RevocationReason } from '../sessions/session.entity.js';
import { SessionRevokedError } from '../sessions/sessions.errors.js';

/** What a change of an account brings with it. */
export interface Consequences {
  readonly userId: string;
  /** The mailed links that stop working: all, all that could still change the account, or those for some purposes. */
  readonly withdraws: 'all' | 'pending' | readonly TokenPurpose[];
  /** Why every session is revoked. None is where it is left out. */
  readonly revokes?: RevocationReason;
  /** The session that asked for the change, where it must be among the revoked ones. */
  readonly askedBy?: string;
  /** What the audit trail records, as the user's own doing. */
  readonly events: readonly Pick<NewAuditEvent, 'type' | 'sessionId'>[];
  readonly mails?: readonly Omit<NewMail, 'userId'>[];
}

/** Applies the consequences, and answers the ids of the sessions that it revoked. */
export type Settle = (consequences: Consequences) => Promise<string[]>;

/** How accounts change: the user, their mailed links and sessions, the audit trail and the mails, all or nothing. */
@Injectable()
export class AccountChanges {
  constructor(
    private readonly database: Database,
    private readonly revocations: Revocations,
    private readonly tokens: MailedTokens,
    private readonly outbox: Outbox,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * Runs a change in one transaction. The change first locks the user's row, by changing or requiring something of it:
   * then logins, and mails whose links are being made, wait for it and find it done. Then it settles what follows. Throws
   * what the change throws; {@link SessionRevokedError} where the session that asked had ended. Then nothing was done.
   */
  run<T>(source: RequestSource, change: (transaction: Transaction, settle: Settle) => Promise<T>): Promise<T> {
    return this.database.transaction((transaction) =>
      change(transaction, (consequences) => this.settle(transaction, consequences, source)),
    );
  }

  private async settle(
    transaction: Transaction,
    { userId, withdraws, revokes, askedBy, events, mails = [] }: Consequences,
    source: RequestSource,
  ): Promise<string[]> {
    const whose = { userId, actorId: userId };
    // Before the mails are added, which it must not withdraw.
    await this.withdraw(transaction, userId, withdraws);
    const revoked = revokes ? await this.revocations.revokeAll(transaction, whose, revokes, source) : [];
    if (askedBy !== undefined && !revoked.includes(askedBy)) {
      // It ended since the request was accepted, so it may not ask for this any more.
      throw new SessionRevokedError();
    }
    for (const event of events) {
      await this.audit.recordWithin(transaction, { ...event, outcome: 'success', ...whose }, source);
    }
    for (const mail of mails) {
      await this.outbox.add(transaction, { ...mail, userId });
    }
    return revoked;
  }

  private withdraw(transaction: Transaction, userId: string, which: Consequences['withdraws']): Promise<void> {
    switch (which) {
      case 'all':
        return this.tokens.withdrawAll(transaction, userId);
      case 'pending':
        return this.tokens.withdrawPending(transaction, userId);
      default:
        return this.tokens.withdraw(transaction, userId, which);
    }
  }
}
