import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '../database/prepared-statements.js';
import { NEWS_TYPES, type PastNews, type SessionNews } from '../sessions/session-news.js';

/** How a session stands. */
export interface SessionEnding {
  readonly id: string;
  /** Why it is over: a revocation reason or `expired`. Null while it is open. */
  readonly reason: string | null;
  /** When it ended, or will end unless refreshed before. Milliseconds since the epoch. */
  readonly at: number;
  /** Milliseconds until then, by the database's clock. */
  readonly remainingMs: number;
}

const NEWS = `id AS "eventId", type, user_id AS "userId", session_id AS "sessionId", reason,
  floor(extract(epoch FROM at) * 1000)::double precision AS at`;

/** What whoever watches sessions asks when news may have been missed. */
@Injectable()
export class SessionNewsRepository {
  constructor(private readonly prepared: PreparedStatements) {}

  /** How sessions stand, in one statement: one answer for each id. A session that is gone went with its account. */
  findEndings(ids: readonly string[]): Promise<SessionEnding[]> {
    return this.prepared.query<SessionEnding>(
      'session_endings',
      `SELECT id, reason, floor(extract(epoch FROM ends_at) * 1000)::double precision AS at,
         (extract(epoch FROM ends_at - now()) * 1000)::double precision AS "remainingMs"
       FROM (
         SELECT w.id,
           CASE
             WHEN s.id IS NULL THEN 'account_deleted'
             WHEN s.revoked_at IS NOT NULL THEN s.revoked_reason
             WHEN u.disabled_at IS NOT NULL THEN 'user_disabled'
             WHEN s.idle_expires_at <= now() OR s.expires_at <= now() THEN 'expired'
           END AS reason,
           coalesce(s.revoked_at, u.disabled_at, least(s.idle_expires_at, s.expires_at), now()) AS ends_at
         FROM unnest($1::uuid[]) AS w (id)
         LEFT JOIN sessions s ON s.id = w.id
         LEFT JOIN users u ON u.id = s.user_id
       ) endings`,
      [ids],
    );
  }

  /**
   * From the commit of this on, what happens to sessions of these users is told, for so many seconds. Returns what can be
   * seen already of the last `pastSeconds`: it is not news.
   */
  watch(userIds: readonly string[], seconds: number, pastSeconds: number): Promise<PastNews[]> {
    return this.prepared.query<PastNews & Record<string, unknown>>(
      'stream_watches',
      // In one order, so that no two of these wait for each other in a circle.
      `WITH watched AS (
         INSERT INTO stream_watches (user_id, until)
         SELECT id, now() + make_interval(secs => $2::double precision) FROM users WHERE id = ANY($1::uuid[]) ORDER BY id
         ON CONFLICT (user_id) DO UPDATE SET until = greatest(stream_watches.until, excluded.until)
       )
       SELECT ${NEWS} FROM (
         SELECT id, type, user_id, session_id, reason, at FROM audit_events
         WHERE user_id = ANY($1::uuid[]) AND type IN (${NEWS_TYPES})
           AND at > now() - make_interval(secs => $3::double precision)
         UNION ALL
         SELECT NULL, 'session_refreshed', user_id, id, NULL, rotated_at FROM sessions
         WHERE user_id = ANY($1::uuid[]) AND rotated_at > now() - make_interval(secs => $3::double precision)
       ) past`,
      [userIds, seconds, pastSeconds],
    );
  }

  /**
   * News of all users in the last so many seconds, but not of the last `leaveSeconds`, oldest first, but for refreshes: the
   * newest, at most so many.
   */
  async findRecent(seconds: number, leaveSeconds: number, limit: number): Promise<SessionNews[]> {
    const news = await this.prepared.query<SessionNews & Record<string, unknown>>(
      'session_news_recent',
      `SELECT ${NEWS} FROM audit_events
       WHERE at > now() - make_interval(secs => $1::double precision)
         AND at < now() - make_interval(secs => $2::double precision) AND type IN (${NEWS_TYPES})
       ORDER BY audit_events.at DESC, id DESC LIMIT $3`,
      [seconds, leaveSeconds, limit],
    );
    return news.toReversed();
  }

  /** News of users in the last so many seconds, oldest first; of each session only its latest refresh. At most so many. */
  findSince(userIds: readonly string[], seconds: number, limit: number): Promise<SessionNews[]> {
    return this.find('session_news_since', `now() - make_interval(secs => $2::double precision)`, [
      userIds,
      seconds,
      limit,
    ]);
  }

  /** The same for one user, after a time in milliseconds since the epoch. */
  findAfter(userId: string, at: number, limit: number): Promise<SessionNews[]> {
    return this.find('session_news_after', `to_timestamp($2::double precision / 1000)`, [[userId], at, limit]);
  }

  private find(name: string, since: string, parameters: unknown[]): Promise<SessionNews[]> {
    return this.prepared.query<SessionNews & Record<string, unknown>>(
      name,
      `SELECT ${NEWS} FROM (
         SELECT id, type, user_id, session_id, reason, at FROM audit_events
         WHERE user_id = ANY($1::uuid[]) AND type IN (${NEWS_TYPES}) AND at > ${since}
         UNION ALL
         SELECT NULL, 'session_refreshed', user_id, id, NULL, rotated_at FROM sessions
         WHERE user_id = ANY($1::uuid[]) AND revoked_at IS NULL AND rotated_at > ${since}
       ) news
       ORDER BY news.at, id, session_id
       LIMIT $3`,
      parameters,
    );
  }
}
