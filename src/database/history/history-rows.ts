import sql from 'sql-template-tag';
import type { Queryable } from '../transaction.js';
import type { Identity } from './identity.js';
import type { Found, HistoryCause, Kept, Memory } from './verdicts.js';

const NEWEST = sql`(SELECT * FROM database_history ORDER BY number DESC LIMIT 1)`;
/** What a person decided: that the sessions are ended, or that none has to be. */
const SETTLES: readonly HistoryCause[] = ['acknowledged', 'sessions_ended'];

/** What a process is answered when it writes. */
export interface Written {
  readonly number: number;
  readonly writtenAt: string;
  readonly historyId: string | null;
  readonly wentBackWhy: string | null;
}

/** The newest part of the history; null where there is none. */
export async function findNewest(database: Queryable): Promise<Kept | null> {
  const { rows } = await database.query<Kept>(sql`
    SELECT id, system_identifier AS "systemIdentifier", database_oid AS "databaseOid", table_oid AS "tableOid", timeline,
      recovery_target AS "recoveryTarget", went_back_why AS "wentBackWhy",
      (SELECT extract(epoch FROM now() - max(written_at)) FROM service_processes)::double precision AS "idleSeconds"
    FROM ${NEWEST} h`);
  return rows[0] ?? null;
}

export async function listIds(database: Queryable): Promise<Set<string>> {
  const { rows } = await database.query<{ id: string }>(sql`SELECT id FROM database_history`);
  return new Set(rows.map(({ id }) => id));
}

/** What the database says to what a process remembers. */
export async function findFor(
  database: Queryable,
  processId: string,
  { historyIds, writtenAt }: Memory & { readonly writtenAt: string },
): Promise<Found> {
  const { rows } = await database.query<Found>(sql`
    SELECT h.id AS "historyId", h.cause, h.went_back_why AS "wentBackWhy", p.number,
      EXISTS (SELECT FROM database_history WHERE cause = ANY(${SETTLES}::text[])
        AND id <> ALL(${[...historyIds]}::uuid[])) AS "isSettled",
      extract(epoch FROM now() - ${writtenAt}::timestamptz)::double precision AS seconds
    FROM (VALUES (1)) AS one LEFT JOIN ${NEWEST} h ON true
      LEFT JOIN service_processes p ON p.id = ${processId}`);
  const [found] = rows;
  if (!found) {
    throw new Error('The database does not say what it has.');
  }
  return found;
}

/**
 * Begins a part of the history, with its line in the audit trail. Where another process does so at the same moment, that one's
 * stands.
 */
export async function begin(
  database: Queryable,
  cause: HistoryCause,
  { systemIdentifier, databaseOid, tableOid, timeline, recoveryTarget }: Identity,
): Promise<void> {
  const line = cause === 'promotion' ? 'database_promoted' : cause === 'first' ? null : 'database_restored';
  await database.query(sql`
    WITH begun AS (
      INSERT INTO database_history
        (number, cause, system_identifier, database_oid, table_oid, timeline, recovery_target)
      SELECT coalesce(max(number), 0) + 1, ${cause}, ${systemIdentifier}::text, ${databaseOid}, ${tableOid},
        ${timeline}::integer, ${recoveryTarget}
      FROM database_history
      ON CONFLICT DO NOTHING RETURNING cause
    )
    INSERT INTO audit_events (type, outcome, reason)
    SELECT ${line}::text, 'success', cause FROM begun WHERE ${line}::text IS NOT NULL`);
}

/** Refuses the database for every process, until a person settles it; with a line in the audit trail. */
export async function refuseForAll(database: Queryable, why: string): Promise<void> {
  await database.query(sql`
    WITH refused AS (
      UPDATE database_history SET went_back_at = now(), went_back_why = ${why}
      WHERE number = (SELECT max(number) FROM database_history) AND went_back_at IS NULL RETURNING number
    )
    INSERT INTO audit_events (type, outcome, note) SELECT 'database_went_back', 'failure', ${why} FROM refused`);
}

/** Writes the first number of a process, or the next one of a process that begins anew. */
export const writeFirst = (database: Queryable, processId: string): Promise<Written | null> =>
  oneOf(
    database,
    sql`INSERT INTO service_processes AS p (id, number) VALUES (${processId}, 1)
        ON CONFLICT (id) DO UPDATE SET number = p.number + 1, written_at = now()`,
  );

/** Writes the next number of a process. Null where the database lacks the one before. */
export const writeNext = (database: Queryable, processId: string, number: number): Promise<Written | null> =>
  oneOf(
    database,
    sql`UPDATE service_processes p SET number = ${number}::integer + 1, written_at = now()
        WHERE id = ${processId} AND number >= ${number}::integer`,
  );

async function oneOf(database: Queryable, write: ReturnType<typeof sql>): Promise<Written | null> {
  const { rows } = await database.query<Written>(sql`
    WITH written AS (${write} RETURNING p.number, p.written_at)
    SELECT w.number, w.written_at::text AS "writtenAt", h.id AS "historyId", h.went_back_why AS "wentBackWhy"
    FROM written w LEFT JOIN ${NEWEST} h ON true`);
  return rows[0] ?? null;
}
