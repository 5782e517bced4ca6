import type { ClientBase } from 'pg';
import sql, { type Sql } from 'sql-template-tag';
import { answerOf } from '../transaction.js';

/** Up to where a primary had written its log when it was asked, and which log that is. */
export interface LogPosition extends Log {
  readonly lsn: string;
  /** When it was asked, by its clock. */
  readonly at: string;
}

/** Of one connection to a primary: it is lost before there can be another. */
export interface Log {
  readonly database: string;
  readonly timeline: number;
}

interface Replayed {
  readonly isStandby: boolean;
  readonly hasReplayed: boolean;
  readonly hasTime: boolean;
  readonly timeline: number | null;
}

/** Which database this is: no other cluster has its identifier, and none in the cluster the other number. */
export const DATABASE = sql`(SELECT system_identifier || '/' || oid FROM pg_control_system(), pg_database
  WHERE datname = current_database())`;

/**
 * What was answered as done is in the log up to here: a commit is answered once its record is flushed. Where the role
 * commits without waiting for that, it is what is inserted.
 */
const POSITION = sql`
  SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn()
    ELSE pg_current_wal_flush_lsn() END::text AS lsn, now()::text AS at`;

// The file that is written now: the control file has the timeline of the last checkpoint.
const LOG = sql`
  SELECT ${DATABASE} AS database, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer AS timeline`;

/**
 * Which timeline streams to a standby, so that it has replayed no later one; null where none does, and where the role may not
 * ask that (pg_read_all_stats). What the standby notes on its disk, which everybody may ask, is for minutes after a failover
 * the timeline before.
 */
const TIMELINE = sql`(SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming')`;

// The timeline last: the position is on that one, or on one before it.
const replayedSince = ({ lsn, at }: LogPosition): Sql => sql`
  SELECT pg_is_in_recovery() AS "isStandby", pg_last_wal_replay_lsn() >= ${lsn}::pg_lsn AS "hasReplayed",
    clock_timestamp() BETWEEN ${at}::timestamptz AND ${at}::timestamptz + interval '1 second' AS "hasTime",
    ${TIMELINE} AS timeline`;

/** Throws what the driver throws, and an error where the server has no log as PostgreSQL has it. */
export async function findLog(primary: ClientBase): Promise<Log> {
  return only((await answerOf<Log>(primary, { text: LOG.text, values: LOG.values })).rows);
}

/** Throws what the driver throws. */
export async function findPosition(primary: ClientBase, log: Log): Promise<LogPosition> {
  const { text, values } = POSITION;
  const { lsn, at } = only(
    (await answerOf<Omit<LogPosition, keyof Log>>(primary, { name: 'log_position', text, values })).rows,
  );
  return { ...log, lsn, at };
}

/**
 * Why what is read at a standby from now on may lack something; null where it has all that the primary had at this position.
 * An answer that is read by the same statement would be older.
 */
export async function whyNot(standby: ClientBase, position: LogPosition): Promise<Why | null> {
  const { text, values } = replayedSince(position);
  const { rows } = await answerOf<Replayed>(standby, { name: 'log_replayed', text, values });
  const { isStandby, hasReplayed, hasTime, timeline } = only(rows);
  if (!isStandby) return 'it was promoted';
  if (timeline === null) return 'it shows no timeline: no log streams to it, or this role lacks pg_read_all_stats';
  if (timeline !== position.timeline) return 'it is on another timeline';
  if (!hasReplayed) return 'it is behind';
  return hasTime ? null : 'its clock differs from that of the primary';
}

/** The last two pass by themselves. */
export type Why =
  | 'it was promoted'
  | 'it shows no timeline: no log streams to it, or this role lacks pg_read_all_stats'
  | 'it is on another timeline'
  | 'it is behind'
  | 'its clock differs from that of the primary';

function only<Row>([row]: readonly Row[]): Row {
  if (!row) throw new Error('The server does not say where its log is.');
  return row;
}
