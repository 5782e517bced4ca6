import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { Notifications } from '../database/notifications.js';
import type { Transaction } from '../database/transaction.js';
import { fingerprintOf } from './device-label.js';
import { DEVICE_KNOWN_DAYS } from './known-devices.js';
import { SESSION_CHANNEL, type SessionEvent } from './session-event.js';
import {
  SESSION_WITH_USER_COLUMNS,
  type SessionWithUser,
  type SessionWithUserRow,
  toSessionWithUser,
} from './session-with-user.js';
import type { TokenDelivery } from './session.entity.js';
import { sessionOpened, sessionsRevoked } from './sessions.measurements.js';
import { ACTIVE, AUDIT_COLUMNS, BY_THE_SERVICE, eventsOf, mailedSource, revoke, sourceValues } from './sessions.sql.js';

export interface NewSession {
  readonly id: string;
  readonly userId: string;
  /** The hash the password was verified against. */
  readonly passwordHash: string;
  readonly refreshTokenHash: Buffer;
  readonly delivery: TokenDelivery;
  readonly deviceName: string | null;
  /** The language of ours that the device asks for; null where it asks for none of them. */
  readonly language: string | null;
}

/** New sessions. */
@Injectable()
export class SessionOpeningRepository {
  constructor(
    private readonly config: AppConfig,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Inserts a session, and revokes the user's least recently seen ones beyond the cap. Null if the user is gone or
   * disabled, or the password is no longer the one that was verified. The user is mailed about a device that has not
   * signed in for 90 days, unless it is the first of an account that was made a day ago at most. A device of which the user
   * is warned does not choose the language of that mail or of later ones, so that a thief does not choose how.
   *
   * The user's row is locked first and the rest sees what committed before: parallel logins pass one at a time, so
   * the cap holds, and a password change or a disabling under way misses no login.
   */
  async open(transaction: Transaction, session: NewSession, source: RequestSource): Promise<SessionWithUser | null> {
    const { rowCount } = await transaction.query(sql`
      SELECT id FROM users WHERE id = ${session.userId} AND password_hash = ${session.passwordHash}
        AND disabled_at IS NULL FOR NO KEY UPDATE`);
    if (rowCount === 0) {
      return null;
    }

    type Row = SessionWithUserRow & { surplusCount: number; events: SessionEvent[] };
    const { rows } = await transaction.query<Row>(this.insertion(session, source));
    const [row] = rows;
    if (!row) {
      return null;
    }
    const { surplusCount, events, ...columns } = row;
    transaction.afterCommit(() => {
      sessionOpened.record({ delivery: session.delivery });
      sessionsRevoked.record({ reason: 'session_limit', count: surplusCount });
      this.notifications.notify(SESSION_CHANNEL, events);
    });
    return toSessionWithUser(columns);
  }

  private insertion(
    { id, userId, refreshTokenHash, delivery, deviceName, language }: NewSession,
    source: RequestSource,
  ): Sql {
    const { sessionAbsoluteTtlSeconds, sessionIdleTtlSeconds, maxSessionsPerUser } = this.config;
    const idleSeconds = Math.min(sessionIdleTtlSeconds, sessionAbsoluteTtlSeconds);
    const fingerprint = fingerprintOf(source);

    const surplus = sql`s.id IN (
      SELECT s.id FROM sessions s WHERE s.user_id = ${userId} AND ${ACTIVE}
      ORDER BY s.last_seen_at DESC, s.created_at DESC, s.id DESC OFFSET ${maxSessionsPerUser}::integer - 1)`;
    const isWarned = sql`(NOT is_known AND (has_others OR u.created_at < now() - interval '1 day'))`;
    // The row has the time of this statement, not of its transaction: one that began before an incident and inserts after it
    // opens a session that is later than the incident.
    return sql`
      WITH ${revoke(surplus, BY_THE_SERVICE, 'session_limit', source)}, opened AS (
        INSERT INTO sessions
          (id, user_id, refresh_token_hash, delivery, device_name, ip, user_agent, created_at, last_seen_at, expires_at,
            idle_expires_at)
        SELECT ${id}::uuid, ${userId}::uuid, ${refreshTokenHash}::bytea, ${delivery}, ${deviceName}, ${source.ip},
          ${source.userAgent}, c.now, c.now, c.now + make_interval(secs => ${sessionAbsoluteTtlSeconds}::double precision),
          c.now + make_interval(secs => ${idleSeconds}::double precision)
        FROM (SELECT clock_timestamp() AS now OFFSET 0) c
        RETURNING *
      ), announced AS (
        INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
        SELECT type, 'success', user_id, id, user_id, ${sourceValues(source)}
        FROM opened, unnest(ARRAY['login_succeeded', 'session_created']) AS type
        RETURNING ${AUDIT_COLUMNS}
      ), known AS (
        SELECT EXISTS (
          SELECT FROM known_devices WHERE user_id = ${userId} AND fingerprint = ${fingerprint}
            AND last_seen_at > now() - make_interval(days => ${DEVICE_KNOWN_DAYS}::integer)
        ) AS is_known, EXISTS (SELECT FROM sessions WHERE user_id = ${userId}) AS has_others
      ), noted AS (
        INSERT INTO known_devices (user_id, fingerprint) SELECT user_id, ${fingerprint} FROM opened
        ON CONFLICT (user_id, fingerprint) DO UPDATE SET last_seen_at = now()
      ), spoken AS (
        UPDATE users u SET language = ${language}::text FROM opened o, known
        WHERE u.id = o.user_id AND ${language}::text <> coalesce(u.language, '')
          AND (is_known OR u.language IS NULL) AND NOT ${isWarned}
      ), mailed AS (
        INSERT INTO mails (kind, recipient, user_id, session_id, details, language, is_confirmed)
        SELECT 'new_device', u.email, u.id, o.id, ${mailedSource(source)}, u.language,
          u.email_verified_at IS NOT NULL
        FROM opened o JOIN users u ON u.id = o.user_id, known WHERE ${isWarned}
      )
      SELECT ${SESSION_WITH_USER_COLUMNS}, (SELECT count(*) FROM revoked)::integer AS "surplusCount",
        ${eventsOf(sql`SELECT * FROM recorded UNION ALL SELECT * FROM announced`)}
      FROM opened s JOIN users u ON u.id = s.user_id`;
  }
}
