import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import type { RequestSource } from '../../http/request-source.js';
import { AppConfig } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { Notifications } from '../../database/notifications.js';
import type { AuthenticRefreshToken } from '../refresh/refresh-token.js';
import { SESSION_CHANNEL } from '../session-event.js';
import type { RevocationReason, TokenDelivery } from '../session.entity.js';
import { sessionsRevoked } from '../sessions.measurements.js';
import {
  ACTIVE,
  BY_ITS_USER,
  byActor,
  honoursPredecessor,
  revoke,
  REVOKED_COUNT,
  type RevokedCount,
  type Revoker,
} from '../sessions.sql.js';

/** What users do to their own sessions, and service clients with a token of them. Only active ones are revoked, each with its row in the audit trail. */
@Injectable()
export class LogoutRepository {
  constructor(
    private readonly database: Database,
    private readonly notifications: Notifications,
    private readonly config: AppConfig,
  ) {}

  /** Revokes one session of a user. How many: 0 if it was not theirs or not active. */
  async revoke(id: string, userId: string, { reason, actorId }: Revoker, source: RequestSource): Promise<number> {
    const which = sql`s.id = ${id} AND s.user_id = ${userId}`;
    return this.count('revoke_session_by', reason, sql`WITH ${revoke(which, byActor(actorId), reason, source)}`);
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

  /** Revokes the session that honours the token, if it was delivered in one of these ways. How many: 0 if none does. */
  async revokePresented(
    token: AuthenticRefreshToken,
    deliveries: readonly TokenDelivery[],
    { reason, actorId }: Revoker,
    source: RequestSource,
  ): Promise<number> {
    const steps = revoke(this.honours(token, deliveries), byActor(actorId), reason, source);
    return this.count('revoke_session_of_token', reason, sql`WITH ${steps}`);
  }

  /** Revokes every session of the user whose active session honours the token. How many: 0 if none does. */
  async revokeAllOfPresented(
    token: AuthenticRefreshToken,
    delivery: TokenDelivery,
    source: RequestSource,
  ): Promise<number> {
    const which = sql`s.user_id = (SELECT user_id FROM caller)`;
    return this.count(
      'revoke_all_of_presented',
      'logout_all',
      sql`
        WITH caller AS MATERIALIZED (
          SELECT s.user_id FROM sessions s WHERE ${this.honours(token, [delivery])} AND ${ACTIVE}
        ), ${revoke(which, BY_ITS_USER, 'logout_all', source)}`,
    );
  }

  /** Before a session that has ended already is answered as ended: see `Database.settle`. */
  settle(): Promise<void> {
    return this.database.settle();
  }

  // A presented token is honoured if it is the current one, or the predecessor of it and still good.
  private honours(token: AuthenticRefreshToken, deliveries: readonly TokenDelivery[]): Sql {
    return sql`s.id = ${token.sessionId} AND s.delivery = ANY(${deliveries}::text[]) AND (
      (s.generation = ${token.generation} AND s.refresh_token_hash = ${token.hash})
      OR (s.generation = ${token.generation} + 1 AND s.refresh_token_hash = ANY(${token.successorHashes}::bytea[])
        AND ${honoursPredecessor(this.config.refreshGraceSeconds)})
    )`;
  }

  private async count(name: string, reason: RevocationReason, steps: Sql): Promise<number> {
    const { rows } = await this.database.prepared<RevokedCount>(name, sql`${steps} ${REVOKED_COUNT}`);
    const { count, events } = rows[0] ?? { count: 0, events: [] };
    if (count === 0) {
      await this.settle();
    }
    sessionsRevoked.record({ reason, count });
    this.notifications.notify(SESSION_CHANNEL, events);
    return count;
  }
}
