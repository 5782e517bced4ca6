import sql, { empty } from 'sql-template-tag';
import type { Database } from '../../database/database.js';
import { channelIn } from '../../database/schema-scope.js';
import { SESSION_CHANNEL, type SessionEvent } from '../session-event.js';
import type { RevocationReason } from '../session.entity.js';
import { BY_THE_SERVICE, eventsOf, RECORDED, revokeRows } from '../sessions.sql.js';

const BATCH_ROWS = 1000;

interface Batch {
  readonly read: number;
  readonly count: number;
  /** Where the batch ended, as SQL writes it. */
  readonly userId: string | null;
  readonly createdAt: string | null;
  readonly id: string | null;
  readonly events: SessionEvent[];
}

/**
 * Revokes every session of every user that was opened before a time, each with its row in the audit trail, in batches that are
 * committed one by one. Yields how many each revoked. It may be ended at any time and begun again. For commands: open streams
 * of all instances are notified.
 *
 * @param time as SQL writes it
 */
export async function* revokeOpenedBefore(
  database: Database,
  time: string,
  reason: RevocationReason,
  schema: string,
): AsyncGenerator<number> {
  let last: Batch | null = null;
  do {
    last = await revokeBatch(database, time, reason, last);
    if (last.events.length > 0) {
      const channel = channelIn(schema, SESSION_CHANNEL);
      await database
        .query(
          sql`SELECT pg_notify(${channel}, json_build_array(event)::text)
              FROM json_array_elements(${JSON.stringify(last.events)}::json) AS event`,
        )
        // It may fail: streams also look by themselves.
        .catch(() => undefined);
    }
    yield last.count;
  } while (last.read === BATCH_ROWS);
}

async function revokeBatch(
  database: Database,
  time: string,
  reason: RevocationReason,
  last: Batch | null,
): Promise<Batch> {
  // Where the last batch ended: what has expired is not revoked, and would be read again by each.
  const rest = last
    ? sql`AND (s.user_id, s.created_at, s.id) > (${last.userId}::uuid, ${last.createdAt}::timestamptz, ${last.id}::uuid)`
    : empty;
  const { rows } = await database.query<Batch>(sql`
    WITH batch AS MATERIALIZED (
      SELECT s.user_id, s.created_at, s.id FROM sessions s
      WHERE s.revoked_at IS NULL AND s.created_at < ${time}::timestamptz ${rest}
      ORDER BY s.user_id, s.created_at, s.id LIMIT ${BATCH_ROWS}
    ), ${revokeRows(sql`s.id IN (SELECT id FROM batch)`, BY_THE_SERVICE, reason, null)}
    SELECT (SELECT count(*) FROM batch)::integer AS read, (SELECT count(*) FROM revoked)::integer AS count,
      b.user_id AS "userId", b.created_at::text AS "createdAt", b.id, ${eventsOf(RECORDED)}
    FROM (VALUES (1)) AS one LEFT JOIN (
      SELECT * FROM batch ORDER BY user_id DESC, created_at DESC, id DESC LIMIT 1
    ) b ON true`);
  return rows[0] ?? { read: 0, count: 0, userId: null, createdAt: null, id: null, events: [] };
}
