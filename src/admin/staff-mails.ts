import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/transaction.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { Outbox } from '../mail/outbox.js';
import type { User } from '../users/user.entity.js';
import type { StaffAction } from './staff-actions.js';

/** What users are mailed because of staff. */
@Injectable()
export class StaffMails {
  constructor(
    private readonly outbox: Outbox,
    private readonly limit: MailedTokenLimit,
  ) {}

  /** Staff ended sessions of a user. */
  addSessionsEnded(transaction: Transaction, { id, email }: Pick<User, 'id' | 'email'>): Promise<void> {
    return this.outbox.add(transaction, { kind: 'sessions_ended_by_staff', recipient: email, userId: id });
  }

  /** The link to set a new password. Nothing is sent to an account that is disabled. */
  async addResetLink(transaction: Transaction, email: string): Promise<void> {
    await this.outbox.addFor(transaction, 'password_reset', email);
  }

  /**
   * Counts a reset link. On its own, before anything is written: the count of a try must not go with a transaction that is
   * rolled back. Throws `too_many_requests` beyond the limit.
   */
  consumeResetLink(email: string, { staff, source }: StaffAction): Promise<void> {
    return this.limit.consumeStaffMail(email, staff, source);
  }
}
