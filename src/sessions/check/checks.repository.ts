import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import { AppConfig } from '../../config/config.js';
import type { RequestSource } from '../../http/request-source.js';
import { Database } from '../../database/database.js';
import { ReservedConnections } from '../../database/reserved-connections.js';
import { Standbys } from '../../database/standbys/standbys.js';
import { readTime, type Timed, TIMES_AS_WRITTEN } from '../../database/time.js';
import {
  OPEN_SESSION_COLUMNS,
  type OpenSessionRow,
  type OpenSessionWithUser,
  toOpenSession,
} from '../session-with-user.js';
import { type State, STATE } from '../sessions.sql.js';

/** The state of a session, with all that a protected request must know. */
export interface SessionState extends State, OpenSessionWithUser {
  /** By its row, last seen more than LAST_SEEN_SECONDS ago. */
  readonly isSeenLongAgo: boolean;
}

/** A token of a revoked session was sent. */
export interface EndedSessionUse extends RequestSource {
  readonly sessionId: string;
  readonly userId: string;
}

type StateRow = Timed<OpenSessionRow> & State & Pick<SessionState, 'isSeenLongAgo'>;

const STATES = 'session_states';

@Injectable()
export class ChecksRepository {
  constructor(
    private readonly reserved: ReservedConnections,
    private readonly standbys: Standbys,
    private readonly database: Database,
    private readonly config: AppConfig,
  ) {}

  /**
   * The states of sessions, ended or not, in one statement. Ids without a session are left out. It has connections of
   * its own, so nothing else that the service asks keeps it waiting.
   */
  async findStates(ids: readonly string[]): Promise<SessionState[]> {
    const { rows } = await this.reserved.prepared<StateRow>(STATES, this.statesOf(ids), TIMES_AS_WRITTEN);
    return rows.map(toState);
  }

  /** Whether a standby can be asked now. */
  canAskStandby(): boolean {
    return this.standbys.areReady;
  }

  /**
   * The same as a standby has them, which had all that was answered as done before this was called. None where no standby
   * says so in time. Throws what the driver throws where the primary does not answer.
   */
  async findStatesAtStandby(ids: readonly string[]): Promise<SessionState[]> {
    const answer = await this.standbys.read<StateRow>(STATES, this.statesOf(ids), TIMES_AS_WRITTEN);
    if (!answer) {
      return [];
    }
    // By the clock that is the same for all instances.
    const readAt = readTime(answer.at);
    return answer.rows.map((row) => ({ ...toState(row), readAt }));
  }

  private statesOf(ids: readonly string[]): Sql {
    return sql`
        SELECT ${OPEN_SESSION_COLUMNS}, ${STATE},
          s.last_seen_at < now() - make_interval(secs => ${this.config.lastSeenSeconds}::double precision) AS "isSeenLongAgo"
        FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ANY(${ids}::uuid[])`;
  }

  /**
   * Writes down which sessions were seen, and the generation their access tokens had. Rows that are locked are skipped
   * rather than waited for. Returns the ids it wrote.
   *
   * Its commit waits for no standby. What a failover loses of it is what a killed instance loses, which had noted it and not
   * yet written it: times of the last request, and that a generation was used. Then a predecessor is honoured for longer, with
   * the successor that there is already, until the next request of the session writes the generation again; that one of two
   * holders of a token goes on is noticed when the other one refreshes, as before.
   */
  async recordSeen(seen: readonly { id: string; generation: number }[]): Promise<string[]> {
    const ids = seen.map(({ id }) => id);
    const generations = seen.map(({ generation }) => generation);
    const { rows } = await this.database.query<{ id: string }>(sql`
      WITH seen AS (
        SELECT * FROM unnest(${ids}::uuid[], ${generations}::integer[]) AS seen (id, generation)
      ), alone AS MATERIALIZED (
        SELECT set_config('synchronous_commit', 'local', true)
      ), held AS (
        SELECT s.id, seen.generation FROM sessions s JOIN seen ON seen.id = s.id
        ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
      )
      UPDATE sessions s SET
        last_seen_at = now(),
        used_generation = greatest(s.used_generation, least(held.generation, s.generation))
      FROM held, alone WHERE s.id = held.id
      RETURNING s.id`);
    return rows.map(({ id }) => id);
  }

  /** Records in the audit trail that tokens of ended sessions are still in use: once an hour for each session. */
  async recordEndedSessionUses(uses: readonly EndedSessionUse[]): Promise<void> {
    await this.database.query(sql`
      INSERT INTO audit_events (type, outcome, user_id, session_id, ip, user_agent, request_id)
      SELECT 'ended_session_used', 'failure', u.user_id, u.session_id, u.ip, u.user_agent, u.request_id
      FROM unnest(
        ${uses.map(({ sessionId }) => sessionId)}::uuid[],
        ${uses.map(({ userId }) => userId)}::uuid[],
        ${uses.map(({ ip }) => ip)}::text[],
        ${uses.map(({ userAgent }) => userAgent)}::text[],
        ${uses.map(({ requestId }) => requestId)}::text[]
      ) AS u (session_id, user_id, ip, user_agent, request_id)
      WHERE NOT EXISTS (
        SELECT FROM audit_events a
        WHERE a.session_id = u.session_id AND a.type = 'ended_session_used' AND a.at > now() - interval '1 hour'
      )`);
  }
}

function toState(row: StateRow): SessionState {
  const { session, user, readAt, keyIds } = toOpenSession(row);
  const { isRevoked, isJustLoggedOut, isExpired, isSeenLongAgo } = row;
  return { session, user, readAt, keyIds, isRevoked, isJustLoggedOut, isExpired, isSeenLongAgo };
}
