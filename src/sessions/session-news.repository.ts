import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '../database/prepared-statements.js';
import type { SessionNews } from './session-news.js';

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

  /** From the commit of this on, refreshes of these users are told too, for so many seconds. */
  async watch(userIds: readonly string[], seconds: number): Promise<void> {
    await this.prepared.query(
      'stream_watches',
      // In one order, so that no two of these wait for each other in a circle.
      `INSERT INTO stream_watches (user_id, until)
       SELECT id, now() + make_interval(secs => $2::double precision) FROM users WHERE id = ANY($1::uuid[]) ORDER BY id
       ON CONFLICT (user_id) DO UPDATE SET until = greatest(stream_watches.until, excluded.until)`,
      [userIds, seconds],
    );
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
      `SELECT id AS "eventId", type, user_id AS "userId", session_id AS "sessionId", reason,
         floor(extract(epoch FROM at) * 1000)::double precision AS at
       FROM (
         SELECT id, type, user_id, session_id, reason, at FROM audit_events
         WHERE user_id = ANY($1::uuid[]) AND type IN ('session_created', 'session_renamed', 'session_revoked')
           AND at > ${since}
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
