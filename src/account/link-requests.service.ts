import { Injectable } from '@nestjs/common';
import type { Caller } from '../sessions/caller.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { Database } from '../database/database.js';
import type { RequestSource } from '../http/request-source.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { Outbox } from '../mail/outbox.js';

/** Mails with a link for the address that an account has. */
@Injectable()
export class LinkRequestsService {
  constructor(
    private readonly database: Database,
    private readonly limit: MailedTokenLimit,
    private readonly outbox: Outbox,
    private readonly audit: AuditTrail,
  ) {}

  /** Mails a link to set a new password, if there is such an account. No caller learns whether there is (ERR-05). */
  async requestPasswordReset(email: string, source: RequestSource): Promise<void> {
    await this.limit.consumeMail(email, source);
    // One commit whether or not there is a mail: a second one would take time that gives it away.
    await this.database.transaction(async (transaction) => {
      const userId = await this.outbox.addFor(transaction, 'password_reset', email);
      const event = { type: 'password_reset_requested', outcome: 'success', userId } as const;
      await this.audit.recordWithin(transaction, event, source);
    });
  }

  /** Mails the link to confirm the caller's address once more. Nothing happens where it is confirmed. */
  async requestVerification(
    { user: { id: userId, email, emailVerifiedAt } }: Caller,
    source: RequestSource,
  ): Promise<void> {
    if (emailVerifiedAt) {
      return;
    }
    await this.limit.consumeMail(email, source);
    await this.outbox.add(this.database, { kind: 'email_verification', recipient: email, userId });
  }
}
