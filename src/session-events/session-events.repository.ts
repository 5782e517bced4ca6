import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import { Database } from '../database/database.js';
import { IS_IN_OPEN_INCIDENT, MATCHES } from '../database/open-incidents.sql.js';
import { INCIDENT_REASON } from '../sessions/incidents/incident-batches.js';
import {
  AUDITED_TYPES,
  isSessionEvent,
  SESSION_EVENT,
  type SessionEvent,
  type SessionEventKey,
} from '../sessions/session-event.js';

/** How a session stands. */
export interface SessionStanding {
  readonly id: string;
  /** Why it ended: a revocation reason or `expired`. Null while it is open. */
  readonly reason: string | null;
  /** When it ended, or will end unless refreshed before. Milliseconds since the epoch. */
  readonly at: number;
  /** Milliseconds until then, by the database's clock. */
  readonly remainingMs: number;
}

const secondsAgo = (seconds: number): Sql => sql`now() - make_interval(secs => ${seconds}::double precision)`;

/** Events of users since then that the audit trail has, and the latest refresh of each of these sessions. */
const eventsSince = (userIds: readonly string[], since: Sql, sessions: Sql): Sql => sql`
  SELECT id, type, user_id, session_id, reason, at FROM audit_events
  WHERE user_id = ANY(${userIds}::uuid[]) AND type IN (${AUDITED_TYPES}) AND at > ${since}
  UNION ALL
  SELECT NULL, 'session_refreshed', user_id, id, NULL, rotated_at FROM sessions
  WHERE user_id = ANY(${userIds}::uuid[]) AND rotated_at > ${since} AND ${sessions}`;

// When it began that a session is in, where it is in one that is open.
const INCIDENT_AT = sql`CASE WHEN ${IS_IN_OPEN_INCIDENT} THEN (
              SELECT min(i.at) FROM incidents i WHERE i.finished_at IS NULL AND ${MATCHES}) END`;
const ALL = sql`true`;
// That it was refreshed no longer matters of a session that is revoked.
const NOT_REVOKED = sql`revoked_at IS NULL`;

/** What happened to sessions, read from the audit trail and the sessions themselves. Throws what the driver throws. */
@Injectable()
export class SessionEventsRepository {
  constructor(private readonly database: Database) {}

  /** How sessions stand, in one statement: one answer for each id. A session that is gone went with its account. */
  async findStandings(ids: readonly string[]): Promise<SessionStanding[]> {
    const { rows } = await this.database.prepared<SessionStanding>(
      'session_standings',
      sql`
        SELECT id, reason, floor(extract(epoch FROM ends_at) * 1000)::double precision AS at,
          (extract(epoch FROM ends_at - now()) * 1000)::double precision AS "remainingMs"
        FROM (
          SELECT w.id,
            CASE
              WHEN s.id IS NULL THEN 'account_deleted'
              WHEN s.revoked_at IS NOT NULL THEN s.revoked_reason
              WHEN u.disabled_at IS NOT NULL THEN 'user_disabled'
              WHEN ${IS_IN_OPEN_INCIDENT} THEN ${INCIDENT_REASON}
              WHEN s.idle_expires_at <= now() OR s.expires_at <= now() THEN 'expired'
            END AS reason,
            coalesce(s.revoked_at, u.disabled_at, ${INCIDENT_AT}, least(s.idle_expires_at, s.expires_at), now()) AS ends_at
          FROM unnest(${ids}::uuid[]) AS w (id)
          LEFT JOIN sessions s ON s.id = w.id
          LEFT JOIN users u ON u.id = s.user_id
        ) standings`,
    );
    return rows;
  }

  /**
   * From the commit of this on, what happens to sessions of these users is notified, for so many seconds. Returns what
   * happened in the last `pastSeconds` and can be seen already: it is not notified any more, or was before.
   */
  watch(userIds: readonly string[], seconds: number, pastSeconds: number): Promise<SessionEventKey[]> {
    return this.find(
      'stream_watches',
      // In one order, so that no two of these wait for each other in a circle.
      sql`
        WITH watched AS (
          INSERT INTO stream_watches (user_id, until)
          SELECT id, now() + make_interval(secs => ${seconds}::double precision) FROM users
          WHERE id = ANY(${userIds}::uuid[]) ORDER BY id
          ON CONFLICT (user_id) DO UPDATE SET until = greatest(stream_watches.until, excluded.until)
        )
        SELECT ${SESSION_EVENT} AS event FROM (${eventsSince(userIds, secondsAgo(pastSeconds), ALL)}) e`,
    );
  }

  /** What is another once an incident began, also where it is finished already. */
  async findIncidentMark(): Promise<string> {
    const { rows } = await this.database.prepared<{ mark: string }>(
      'incident_mark',
      sql`SELECT concat(count(*), ' ', max(at)) AS mark FROM incidents`,
    );
    return rows[0]?.mark ?? '';
  }

  /**
   * Events of all users in the last so many seconds, but not of the last `leaveSeconds`, oldest first, but for refreshes:
   * the newest, at most so many.
   */
  async findRecent(seconds: number, leaveSeconds: number, limit: number): Promise<SessionEvent[]> {
    const events = await this.find(
      'session_events_recent',
      sql`
        SELECT ${SESSION_EVENT} AS event FROM audit_events e
        WHERE e.at > ${secondsAgo(seconds)} AND e.at < ${secondsAgo(leaveSeconds)} AND e.type IN (${AUDITED_TYPES})
        ORDER BY e.at DESC, e.id DESC LIMIT ${limit}`,
    );
    return events.toReversed();
  }

  /** Events of users in the last so many seconds, oldest first; of each session only its latest refresh. At most so many. */
  findSince(userIds: readonly string[], seconds: number, limit: number): Promise<SessionEvent[]> {
    return this.findOldest('session_events_since', userIds, secondsAgo(seconds), limit);
  }

  /** The same for one user, after a time in milliseconds since the epoch. */
  findAfter(userId: string, at: number, limit: number): Promise<SessionEvent[]> {
    const since = sql`to_timestamp(${at}::double precision / 1000)`;
    return this.findOldest('session_events_after', [userId], since, limit);
  }

  private findOldest(name: string, userIds: readonly string[], since: Sql, limit: number): Promise<SessionEvent[]> {
    return this.find(
      name,
      sql`
        SELECT ${SESSION_EVENT} AS event FROM (${eventsSince(userIds, since, NOT_REVOKED)}) e
        ORDER BY e.at, e.id, e.session_id
        LIMIT ${limit}`,
    );
  }

  private async find(name: string, statement: Sql): Promise<SessionEvent[]> {
    const { rows } = await this.database.prepared<{ event: unknown }>(name, statement);
    return rows.map(({ event }) => event).filter(isSessionEvent);
  }
}
