import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import { Notifications } from '../../database/notifications.js';
import type { Transaction } from '../../database/transaction.js';
import type { RequestSource } from '../../http/request-source.js';
import type { User } from '../../users/user.entity.js';
import { SESSION_CHANNEL, type SessionEvent } from '../session-event.js';
import type { RevocationReason } from '../session.entity.js';
import { sessionsRevoked } from '../sessions.measurements.js';
import { eventsOf, RECORDED, revoke } from '../sessions.sql.js';

/** The user a session belongs to. */
export type SessionOwner = Pick<User, 'id' | 'email'>;

/**
 * Revokes sessions as part of a larger change, in its transaction. Only active ones are revoked, each with its row in the
 * audit trail. Open streams are notified once the change is committed.
 */
@Injectable()
export class Revocations {
  constructor(private readonly notifications: Notifications) {}

  /** Revokes one session of any user. Returns its owner, or null if it was not active. */
  async revokeOne(
    transaction: Transaction,
    { id, actorId }: { id: string; actorId: string },
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<SessionOwner | null> {
    const { rows } = await transaction.query<SessionOwner & { events: SessionEvent[] }>(sql`
      WITH ${revoke(sql`s.id = ${id}`, uuid(actorId), reason, source)}
      SELECT u.id, u.email, ${eventsOf(RECORDED)} FROM revoked r JOIN users u ON u.id = r.user_id`);
    const [row] = rows;
    if (!row) {
      return null;
    }
    const { events, ...owner } = row;
    this.announce(transaction, reason, 1, events);
    return owner;
  }

  /**
   * Revokes every session of a user. Returns their ids. A change that must not leave one behind locks the user's row
   * first: then a login under way waits for it, and sees it.
   */
  async revokeAll(
    transaction: Transaction,
    { userId, actorId }: { userId: string; actorId: string },
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<string[]> {
    const { rows } = await transaction.query<{ ids: string[]; events: SessionEvent[] }>(sql`
      WITH ${revoke(sql`s.user_id = ${userId}`, uuid(actorId), reason, source)}
      SELECT ARRAY(SELECT id::text FROM revoked) AS ids, ${eventsOf(RECORDED)}`);
    const { ids, events } = rows[0] ?? { ids: [], events: [] };
    this.announce(transaction, reason, ids.length, events);
    return ids;
  }

  private announce(
    transaction: Transaction,
    reason: RevocationReason,
    count: number,
    events: readonly SessionEvent[],
  ): void {
    transaction.afterCommit(() => {
      sessionsRevoked.record({ reason, count });
      this.notifications.notify(SESSION_CHANNEL, events);
    });
  }
}

const uuid = (id: string): Sql => sql`${id}::uuid`;
