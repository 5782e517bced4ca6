import { Injectable } from '@nestjs/common';
import type { Caller } from '../sessions/caller.js';
import type { AuditEventType } from '../audit/audit-event.entity.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import type { RequestSource } from '../http/request-source.js';

/** Which member of staff does something, why, and from where. */
export interface StaffAction {
  readonly staff: Caller;
  readonly note: string | null;
  readonly source: RequestSource;
}

/** Writes a line about a user, and one of their sessions, to the audit trail. */
type RecordAction = (type: AuditEventType, userId: string, sessionId?: string) => Promise<void>;

/** Runs what staff do: each action in one transaction, together with its line in the audit trail. */
@Injectable()
export class StaffActions {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditTrail,
  ) {}

  /** Throws what the work throws; then nothing was done. */
  run<T>(
    { staff, note, source }: StaffAction,
    work: (transaction: Transaction, record: RecordAction) => Promise<T>,
  ): Promise<T> {
    return this.database.transaction((transaction) =>
      work(transaction, (type, userId, sessionId) => {
        const event = { type, outcome: 'success', userId, actorId: staff.userId, note } as const;
        return this.audit.recordWithin(transaction, { ...event, sessionId: sessionId ?? null }, source);
      }),
    );
  }
}
