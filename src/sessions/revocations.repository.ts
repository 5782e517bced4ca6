import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { Database } from '../database/database.js';
import { Notifications } from '../database/notifications.js';
import type { Transaction } from '../database/transaction.js';
import type { User } from '../users/user.entity.js';
import { describeDevice } from './device-label.js';
import type { AuthenticRefreshToken } from './refresh/refresh-token.js';
import { SESSION_CHANNEL, type SessionEvent } from './session-event.js';
import type { RevocationReason, TokenDelivery } from './session.entity.js';
import { sessionsRevoked } from './sessions.measurements.js';
import {
  ACTIVE,
  BY_ITS_USER,
  BY_THE_SERVICE,
  honoursPredecessor,
  eventsOf,
  RECORDED,
  revoke,
  sourceValues,
} from './sessions.sql.js';

/** The user a session belongs to. */
export type SessionOwner = Pick<User, 'id' | 'email'>;

/** Everything that ends sessions on purpose. Only active sessions are revoked, each with its row in the audit trail. */
@Injectable()
export class RevocationsRepository {
  constructor(
    private readonly database: Database,
    private readonly notifications: Notifications,
    private readonly config: AppConfig,
  ) {}

  /** Revokes one session of a user. How many: 0 if it was not theirs or not active. */
  async revoke(id: string, userId: string, reason: RevocationReason, source: RequestSource): Promise<number> {
    const which = sql`s.id = ${id} AND s.user_id = ${userId}`;
    return this.count('revoke_session', reason, sql`WITH ${revoke(which, BY_ITS_USER, reason, source)}`);
  }

  /** Revokes all sessions of a user, but for one where given. How many. */
  async revokeAllOf(
    userId: string,
    exceptId: string | null,
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<number> {
    const which = sql`s.user_id = ${userId} AND s.id IS DISTINCT FROM ${exceptId}::uuid`;
    return this.count('revoke_sessions_of_user', reason, sql`WITH ${revoke(which, BY_ITS_USER, reason, source)}`);
  }

  /** Revokes the session that honours the token. How many: 0 if none does. */
  async revokePresented(token: AuthenticRefreshToken, delivery: TokenDelivery, source: RequestSource): Promise<number> {
    const which = this.honours(token, delivery);
    return this.count('revoke_presented_session', 'logout', sql`WITH ${revoke(which, BY_ITS_USER, 'logout', source)}`);
  }

  /** Revokes every session of the user whose active session honours the token. How many: 0 if none does. */
  async revokeAllOfPresented(
    token: AuthenticRefreshToken,
    delivery: TokenDelivery,
    source: RequestSource,
  ): Promise<number> {
    const which = sql`s.user_id = (SELECT user_id FROM caller)`;
    return this.count(
      'revoke_sessions_of_presented',
      'logout_all',
      sql`
        WITH caller AS MATERIALIZED (
          SELECT s.user_id FROM sessions s WHERE ${this.honours(token, delivery)} AND ${ACTIVE}
        ), ${revoke(which, BY_ITS_USER, 'logout_all', source)}`,
    );
  }

  /** Revokes a session one of whose old refresh tokens came back. How many: 0 if it was not active. */
  async revokeReused(id: string, source: RequestSource): Promise<number> {
    const reason = 'refresh_token_reuse';
    return this.count(
      'revoke_reused_session',
      reason,
      sql`
        WITH ${revoke(sql`s.id = ${id}`, BY_THE_SERVICE, reason, source)}, alarm AS (
          INSERT INTO audit_events (type, outcome, user_id, session_id, ip, user_agent, request_id)
          SELECT 'refresh_token_reused', 'failure', user_id, id, ${sourceValues(source)} FROM revoked
        ), mailed AS (
          INSERT INTO mails (kind, recipient, user_id, session_id, details)
          SELECT 'refresh_token_reused', u.email, u.id, r.id,
            jsonb_build_object('device', ${describeDevice(source.userAgent).label}::text, 'ip', ${source.ip}::text)
          FROM revoked r JOIN users u ON u.id = r.user_id
        )`,
    );
  }

  /** Revokes one session as part of a transaction. Returns its owner, or null if it was not active. */
  async revokeOneWithin(
    transaction: Transaction,
    { id, actorId }: { id: string; actorId: string },
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<SessionOwner | null> {
    const { rows } = await transaction.query<SessionOwner & { events: SessionEvent[] }>(sql`
      WITH ${revoke(sql`s.id = ${id}`, sql`${actorId}::uuid`, reason, source)}
      SELECT u.id, u.email, ${eventsOf(RECORDED)} FROM revoked r JOIN users u ON u.id = r.user_id`);
    const [row] = rows;
    if (!row) {
      return null;
    }
    const { events, ...owner } = row;
    transaction.afterCommit(() => this.announce(reason, 1, events));
    return owner;
  }

  /** Revokes all sessions of a user, as part of a transaction that locked the user's row. Returns their ids. */
  async revokeAllWithin(
    transaction: Transaction,
    { userId, actorId }: { userId: string; actorId: string },
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<string[]> {
    const { rows } = await transaction.query<{ ids: string[]; events: SessionEvent[] }>(sql`
      WITH ${revoke(sql`s.user_id = ${userId}`, sql`${actorId}::uuid`, reason, source)}
      SELECT ARRAY(SELECT id::text FROM revoked) AS ids, ${eventsOf(RECORDED)}`);
    const { ids, events } = rows[0] ?? { ids: [], events: [] };
    transaction.afterCommit(() => this.announce(reason, ids.length, events));
    return ids;
  }

  /**
   * Whether a session of a user is active, as part of a transaction. Locks the user's row first, and keeps it: a change
   * that ends sessions and what they asked for either committed before this, and is seen, or waits.
   */
  async isActiveWithin(transaction: Transaction, id: string, userId: string): Promise<boolean> {
    await transaction.query(sql`SELECT FROM users WHERE id = ${userId} FOR NO KEY UPDATE`);
    const { rowCount } = await transaction.query(sql`
      SELECT FROM sessions s WHERE s.id = ${id} AND s.user_id = ${userId} AND ${ACTIVE}`);
    return rowCount > 0;
  }

  // A presented token is honoured if it is the current one, or the predecessor of it and still good.
  private honours(token: AuthenticRefreshToken, delivery: TokenDelivery): Sql {
    return sql`s.id = ${token.sessionId} AND s.delivery = ${delivery} AND (
      (s.generation = ${token.generation} AND s.refresh_token_hash = ${token.hash})
      OR (s.generation = ${token.generation} + 1 AND s.refresh_token_hash = ANY(${token.successorHashes}::bytea[])
        AND ${honoursPredecessor(this.config.refreshGraceSeconds)})
    )`;
  }

  private async count(name: string, reason: RevocationReason, steps: Sql): Promise<number> {
    const { rows } = await this.database.prepared<{ count: number; events: SessionEvent[] }>(
      name,
      sql`${steps} SELECT (SELECT count(*) FROM revoked)::integer AS count, ${eventsOf(RECORDED)}`,
    );
    const { count, events } = rows[0] ?? { count: 0, events: [] };
    this.announce(reason, count, events);
    return count;
  }

  private announce(reason: RevocationReason, count: number, events: readonly SessionEvent[]): void {
    if (count > 0) {
      sessionsRevoked.record({ reason, count });
    }
    this.notifications.notify(SESSION_CHANNEL, events);
  }
}
