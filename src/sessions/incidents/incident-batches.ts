import sql, { empty, type Sql } from 'sql-template-tag';
import type { Database } from '../../database/database.js';
import { MATCHES } from '../../database/open-incidents.sql.js';
import type { Transaction } from '../../database/transaction.js';
import type { SessionEvent } from '../session-event.js';
import type { RevocationReason } from '../session.entity.js';
import { eventsOf, RECORDED, revokeRows } from '../sessions.sql.js';
import { ofUsers } from './incidents.js';

/** Why a session ended. */
export const INCIDENT_REASON: RevocationReason = 'incident';

const MOST_READ = 10_000;
const MOST_ENDED = 1000;

/** What one batch did. */
export interface IncidentBatch {
  readonly count: number;
  readonly events: readonly SessionEvent[];
  /** Nothing could be done yet: transactions that began before the incident are still under way. */
  readonly isWaiting: boolean;
}

interface Claimed {
  readonly id: string;
  readonly openedBy: string | null;
  readonly requestId: string | null;
  readonly userIds: readonly string[] | null;
  readonly isAwaited: boolean | null;
  /** Where the last batch ended, as SQL writes it. */
  readonly lastUserId: string | null;
  readonly lastCreatedAt: string | null;
  readonly lastId: string | null;
}

/**
 * Ends rows of the oldest incident that is open and that no other process has in hand, at most a thousand, each with its line
 * in the audit trail, and notes how far it came, in one transaction: what dies meanwhile leaves it to the next. Null where
 * there is nothing to do.
 */
export function endBatch(database: Database): Promise<IncidentBatch | null> {
  return database.transaction(async (transaction) => {
    const incident = await claim(transaction);
    if (!incident) {
      return null;
    }
    if (incident.isAwaited !== false) {
      await waitForOlder(transaction, incident);
      return { count: 0, events: [], isWaiting: true };
    }
    const { rows } = await transaction.query<Omit<IncidentBatch, 'isWaiting'>>(batchOf(incident));
    return { ...(rows[0] ?? { count: 0, events: [] }), isWaiting: false };
  });
}

async function claim(transaction: Transaction): Promise<Claimed | undefined> {
  const { rows } = await transaction.query<Claimed>(sql`
    SELECT id, opened_by AS "openedBy", request_id AS "requestId", user_ids AS "userIds",
      waits_for IS NULL OR EXISTS (SELECT FROM pg_locks l WHERE l.virtualtransaction = ANY(waits_for)) AS "isAwaited",
      last_user_id AS "lastUserId", last_created_at::text AS "lastCreatedAt", last_id AS "lastId"
    FROM incidents WHERE finished_at IS NULL ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED`);
  return rows[0];
}

/**
 * A login that inserted its session before the incident may commit it later than the batch that would have ended it. So all
 * that have changed sessions, and are not over, are noted first, and nothing is ended before they are.
 */
async function waitForOlder(transaction: Transaction, { id }: Claimed): Promise<void> {
  await transaction.query(sql`
    UPDATE incidents SET waits_for = ARRAY(
      SELECT DISTINCT virtualtransaction FROM pg_locks
      WHERE locktype = 'relation' AND relation = 'sessions'::regclass AND mode = 'RowExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) WHERE id = ${id} AND waits_for IS NULL`);
}

// As many rows of the index are read as one statement can, whether or not they match; of those that do, as many are ended as
// others may wait for.
function batchOf({ id, openedBy, requestId, userIds, lastUserId, lastCreatedAt, lastId }: Claimed): Sql {
  const rest =
    lastId === null
      ? empty
      : sql`AND (s.user_id, s.created_at, s.id) > (${lastUserId}::uuid, ${lastCreatedAt}::timestamptz, ${lastId}::uuid)`;
  const source = { ip: null, userAgent: null, requestId };
  return sql`
    WITH read AS MATERIALIZED (
      SELECT s.user_id, s.created_at, s.id, s.authenticated_at, s.ip FROM sessions s
      WHERE s.revoked_at IS NULL ${ofUsers(userIds)} ${rest}
      ORDER BY s.user_id, s.created_at, s.id LIMIT ${MOST_READ}
    ), matching AS MATERIALIZED (
      SELECT s.user_id, s.created_at, s.id FROM incidents i JOIN read s ON ${MATCHES} WHERE i.id = ${id}
      ORDER BY s.user_id, s.created_at, s.id LIMIT ${MOST_ENDED}
    ), ${revokeRows(sql`s.id IN (SELECT id FROM matching)`, sql`${openedBy}::uuid`, INCIDENT_REASON, source)},
    many AS (
      SELECT (SELECT count(*) FROM read) = ${MOST_READ} AS read, (SELECT count(*) FROM matching) = ${MOST_ENDED} AS matching
    ), progress AS (
      UPDATE incidents i SET ended = i.ended + (SELECT count(*) FROM revoked),
        last_user_id = coalesce(l.user_id, i.last_user_id), last_created_at = coalesce(l.created_at, i.last_created_at),
        last_id = coalesce(l.id, i.last_id),
        matches = CASE WHEN many.read OR many.matching THEN i.matches
          ELSE coalesce(i.matches, i.ended + (SELECT count(*) FROM revoked)) END,
        finished_at = CASE WHEN NOT many.read AND NOT many.matching THEN clock_timestamp() END
      FROM many LEFT JOIN LATERAL (
        SELECT user_id, created_at, id FROM matching WHERE many.matching
        UNION ALL SELECT user_id, created_at, id FROM read WHERE NOT many.matching
        ORDER BY user_id DESC, created_at DESC, id DESC LIMIT 1
      ) l ON true
      WHERE i.id = ${id}
      RETURNING i.id, i.opened_by, i.request_id, i.ended, i.finished_at
    ), finished AS (
      INSERT INTO audit_events (type, outcome, actor_id, note, request_id)
      SELECT 'incident_finished', 'success', opened_by, id || ': ' || ended || ' sessions', request_id
      FROM progress WHERE finished_at IS NOT NULL
    )
    SELECT (SELECT count(*) FROM revoked)::integer AS count, ${eventsOf(RECORDED)}`;
}
