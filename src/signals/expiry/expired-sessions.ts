import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import sql from 'sql-template-tag';
import { Database } from '../../database/database.js';
import { DeliverySender } from '../deliveries/delivery-sender.js';

const LOOK_EVERY_MS = 10_000;
const MOST_AT_ONCE = 1000;
// A refresh that began before the end of a session may be committed after it, and extends it.
const AFTER_SECONDS = 30;

/**
 * Notices that a session expired, within a minute and once, from any number of instances, also where none looked at that moment:
 * by a line in the audit trail, of the time at which it did. Nothing else happens when a time is over.
 *
 * A table has when each session is to be looked at: first when it would expire if nobody used it, and again when what used it has
 * moved that. So refreshes write nothing more.
 */
@Injectable()
export class ExpiredSessions implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(ExpiredSessions.name);
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  private isStopping = false;

  constructor(
    private readonly database: Database,
    private readonly sender: DeliverySender,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.looking ??= this.look().finally(() => (this.looking = null));
    }, LOOK_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await this.looking;
  }

  private async look(): Promise<void> {
    try {
      while (!this.isStopping && (await this.noteSome()) === MOST_AT_ONCE);
    } catch (error) {
      this.logger.warn(`Could not look for sessions that expired, trying again: ${String(error)}`);
    }
  }

  // Rows that are locked stay where they are: found there, and not by their number, for which all of the table would be read. So do
  // those of sessions that are locked. What locks a session may be deleting it, and then waits for the row here: none waits for the
  // other, and one of them notes the end.
  /** Returns how many were looked at; none where all were locked. */
  private async noteSome(): Promise<number> {
    const { rows } = await this.database.query<{ looked: number; expired: number }>(sql`
      WITH due AS MATERIALIZED (
        SELECT ctid AS place, session_id FROM session_expiries
        WHERE look_at <= now() - make_interval(secs => ${AFTER_SECONDS}::integer)
        ORDER BY look_at LIMIT ${MOST_AT_ONCE} FOR UPDATE SKIP LOCKED
      ), held AS MATERIALIZED (
        SELECT s.id, s.user_id, h.ends_at, h.ends_at <= now() - make_interval(secs => ${AFTER_SECONDS}::integer) AS has_ended
        FROM sessions s CROSS JOIN LATERAL (SELECT least(s.idle_expires_at, s.expires_at) AS ends_at) h
        WHERE s.id IN (SELECT session_id FROM due) AND s.revoked_at IS NULL
        FOR NO KEY UPDATE OF s SKIP LOCKED
      ), moved AS (
        UPDATE session_expiries e SET look_at = h.ends_at FROM due d JOIN held h ON h.id = d.session_id
        WHERE e.ctid = d.place AND NOT h.has_ended
        RETURNING e.session_id
      ), done AS (
        DELETE FROM session_expiries e USING due d WHERE e.ctid = d.place AND (
          d.session_id IN (SELECT id FROM held WHERE has_ended)
          OR NOT EXISTS (SELECT FROM sessions s WHERE s.id = d.session_id AND s.revoked_at IS NULL)
        )
        RETURNING e.session_id
      ), expired AS (
        INSERT INTO audit_events (at, type, outcome, user_id, session_id)
        SELECT ends_at, 'session_expired', 'success', user_id, id FROM held WHERE has_ended
        RETURNING session_id
      )
      SELECT (SELECT count(*) FROM expired)::integer AS expired, CASE
          WHEN EXISTS (SELECT FROM moved) OR EXISTS (SELECT FROM done) THEN (SELECT count(*) FROM due) ELSE 0
        END::integer AS looked`);
    const { looked = 0, expired = 0 } = rows[0] ?? {};
    if (expired > 0) this.sender.wake();
    return looked;
  }
}
