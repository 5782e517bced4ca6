import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import type { RequestSource } from '../../http/request-source.js';
import { AppConfig } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { Notifications } from '../../database/notifications.js';
import { READER } from '../../mail/outbox.js';
import { mailedDeviceOf } from '../device-label.js';
import { SESSION_CHANNEL, type SessionEvent } from '../session-event.js';
import {
  OPEN_SESSION_COLUMNS,
  type OpenSessionRow,
  type OpenSessionWithUser,
  SESSION_WITH_USER_COLUMNS,
  type SessionWithUser,
  type SessionWithUserRow,
  toOpenSession,
  toSessionWithUser,
} from '../session-with-user.js';
import type { Session, TokenDelivery } from '../session.entity.js';
import { sessionsRevoked } from '../sessions.measurements.js';
import {
  ACTIVE,
  BY_THE_SERVICE,
  honoursPredecessor,
  isWatched,
  mailedSource,
  revoke,
  REVOKED_COUNT,
  type RevokedCount,
  sourceValues,
  type State,
  STATE,
} from '../sessions.sql.js';
import type { AuthenticRefreshToken } from './refresh-token.js';

/** A session that did not rotate, with all that decides why. */
export interface RefreshState extends State, SessionWithUser {
  /** Whether the predecessor of its current token is still good. */
  readonly honoursPredecessor: boolean;
}

// The minute in which the rotations of a session are counted.
const IN_WINDOW = sql`s.rotation_window_at > now() - interval '1 minute'`;
const UNLIMITED = 2 ** 31 - 1;
const dayOf = (time: Sql): Sql => sql`(${time} AT TIME ZONE 'UTC')::date`;

@Injectable()
export class RefreshRepository {
  constructor(
    private readonly database: Database,
    private readonly notifications: Notifications,
    private readonly config: AppConfig,
  ) {}

  /**
   * Moves a session on to its next generation. Null if the token is not its current one, was delivered otherwise, the
   * session has ended, or its rotations of this minute are used up. The audit trail gets the first rotation of a day.
   *
   * One statement, so there is nothing to race: of all concurrent callers with one token, exactly one changes the row.
   */
  async rotate(
    token: AuthenticRefreshToken,
    delivery: TokenDelivery,
    successorHash: Buffer,
    source: RequestSource,
  ): Promise<OpenSessionWithUser | null> {
    const { sessionIdleTtlSeconds, hasRateLimits, refreshesPerSession } = this.config;
    const { rows } = await this.database.prepared<OpenSessionRow & { rotatedAt: Date; isWatched: boolean }>(
      'session_rotation',
      sql`
        WITH before AS (
          SELECT rotated_at FROM sessions WHERE id = ${token.sessionId}
        ), rotated AS (
          UPDATE sessions s SET
            generation = s.generation + 1, refresh_token_hash = ${successorHash}, rotated_at = now(),
            last_seen_at = now(),
            idle_expires_at =
              least(now() + make_interval(secs => ${sessionIdleTtlSeconds}::double precision), s.expires_at),
            rotation_count = CASE WHEN ${IN_WINDOW} THEN s.rotation_count + 1 ELSE 1 END,
            rotation_window_at = CASE WHEN ${IN_WINDOW} THEN s.rotation_window_at ELSE now() END
          FROM users u
          WHERE s.id = ${token.sessionId} AND s.delivery = ${delivery} AND s.generation = ${token.generation}
            AND s.refresh_token_hash = ${token.hash} AND ${ACTIVE}
            AND (s.rotation_count < ${hasRateLimits ? refreshesPerSession : UNLIMITED}
              OR NOT coalesce(${IN_WINDOW}, false))
            AND u.id = s.user_id AND u.disabled_at IS NULL
          RETURNING ${OPEN_SESSION_COLUMNS}, s.rotated_at AS "rotatedAt"
        ), recorded AS (
          INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
          SELECT 'session_refreshed', 'success', "userId", id, "userId", ${sourceValues(source)} FROM rotated
          WHERE NOT EXISTS (SELECT FROM before WHERE ${dayOf(sql`rotated_at`)} = ${dayOf(sql`now()`)})
        )
        SELECT rotated.*, ${isWatched(sql`rotated."userId"`)} AS "isWatched" FROM rotated`,
    );
    const [row] = rows;
    if (!row) {
      return null;
    }
    const rotated = toOpenSession(row);
    if (row.isWatched) {
      this.notifications.notify(SESSION_CHANNEL, [eventOfRotation(row)]);
    }
    return rotated;
  }

  /**
   * How many milliseconds until a session may rotate again; null if nothing but the limit's end keeps it from doing so.
   * The audit trail gets the first refusal of a minute.
   */
  async findRotationDelay(id: string, source: RequestSource): Promise<number | null> {
    const { rows } = await this.database.query<{ milliseconds: number }>(sql`
      WITH full_window AS (
        SELECT s.id, s.user_id, s.rotation_window_at FROM sessions s
        WHERE s.id = ${id} AND s.rotation_count >= ${this.config.refreshesPerSession} AND ${IN_WINDOW}
      ), recorded AS (
        INSERT INTO audit_events (type, outcome, user_id, session_id, reason, ip, user_agent, request_id)
        SELECT 'refresh_throttled', 'failure', user_id, id, 'session', ${sourceValues(source)} FROM full_window f
        WHERE NOT EXISTS (
          SELECT FROM audit_events a
          WHERE a.session_id = f.id AND a.type = 'refresh_throttled' AND a.at >= f.rotation_window_at
        )
      )
      SELECT ceil(1000 * extract(epoch FROM rotation_window_at + interval '1 minute' - now()))::integer AS milliseconds
      FROM full_window`);
    return rows[0]?.milliseconds ?? null;
  }

  /**
   * Revokes a session one of whose old refresh tokens came back, and mails its user which device that logged out and from
   * where the token was used. Nothing happens if it was not active.
   */
  async revokeReused({ id, userAgent }: Pick<Session, 'id' | 'userAgent'>, source: RequestSource): Promise<void> {
    const reason = 'refresh_token_reuse';
    const details = mailedSource(source, { loggedOut: mailedDeviceOf(userAgent) });
    const { rows } = await this.database.prepared<RevokedCount>(
      'revoke_reused_session',
      sql`
        WITH ${revoke(sql`s.id = ${id}`, BY_THE_SERVICE, reason, source)}, reported AS (
          INSERT INTO audit_events (type, outcome, user_id, session_id, ip, user_agent, request_id)
          SELECT 'refresh_token_reused', 'failure', user_id, id, ${sourceValues(source)} FROM revoked
        ), mailed AS (
          INSERT INTO mails (kind, recipient, user_id, session_id, details, language, is_confirmed)
          SELECT 'refresh_token_reused', u.email, u.id, r.id, ${details}, ${READER}
          FROM revoked r JOIN users u ON u.id = r.user_id
        )
        ${REVOKED_COUNT}`,
    );
    const { count, events } = rows[0] ?? { count: 0, events: [] };
    sessionsRevoked.record({ reason, count });
    this.notifications.notify(SESSION_CHANNEL, events);
  }

  /** The state of a session, for a refresh token of it that did not rotate. Null if there is none. */
  async findState(id: string): Promise<RefreshState | null> {
    const { rows } = await this.database.query<SessionWithUserRow & Omit<RefreshState, keyof SessionWithUser>>(sql`
      SELECT ${SESSION_WITH_USER_COLUMNS}, ${STATE},
        ${honoursPredecessor(this.config.refreshGraceSeconds)} AS "honoursPredecessor"
      FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ${id}`);
    const [row] = rows;
    if (!row) {
      return null;
    }
    const { isRevoked, isJustLoggedOut, isExpired, honoursPredecessor: honours, ...columns } = row;
    return { ...toSessionWithUser(columns), isRevoked, isJustLoggedOut, isExpired, honoursPredecessor: honours };
  }
}

// Dated as it is stored, to the millisecond: streams that find it there know it by that.
const eventOfRotation = ({ id, userId, rotatedAt }: OpenSessionRow & { rotatedAt: Date }): SessionEvent => ({
  type: 'session_refreshed',
  eventId: null,
  userId,
  sessionId: id,
  reason: null,
  at: rotatedAt.getTime(),
});
