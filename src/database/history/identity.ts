import type { QueryResultRow } from 'pg';
import sql, { type Sql } from 'sql-template-tag';
import { codeOf } from '../../problems/error-code.js';
import type { Queryable } from '../transaction.js';

/** As which one PostgreSQL knows the database. What a server does not say is null, and compared with nothing. */
export interface Identity {
  /** Of the cluster: made by initdb, and kept by its standbys and base backups. */
  readonly systemIdentifier: string | null;
  /** Another one after CREATE DATABASE, and so after a restore into a new database of the same cluster. */
  readonly databaseOid: string;
  /** Of the table that keeps this: another one once a dump was restored in its place. */
  readonly tableOid: string;
  /** One more with each promotion and each recovery from an archive. */
  readonly timeline: number | null;
  /** Where a recovery was to end, as the settings of the server still say; empty where it was to end nowhere. */
  readonly recoveryTarget: string;
}

const OF_THE_DATABASE = sql`SELECT
  (SELECT oid FROM pg_database WHERE datname = current_database())::text AS "databaseOid",
  'database_history'::regclass::oid::text AS "tableOid",
  (SELECT coalesce(string_agg(name || '=' || setting, ' ' ORDER BY name), '') FROM pg_settings
   WHERE setting <> '' AND name IN ('recovery_target', 'recovery_target_lsn', 'recovery_target_name',
     'recovery_target_time', 'recovery_target_xid')) AS "recoveryTarget"`;
const SYSTEM_IDENTIFIER = sql`SELECT system_identifier::text AS value FROM pg_control_system()`;
// The file that is written now. What pg_control_checkpoint() says is that of the last checkpoint, which after a promotion may be
// minutes ago.
const TIMELINE = sql`SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer AS value`;

// Every role may call these functions of PostgreSQL; what only resembles it may refuse them, or not have them.
const NOT_THERE = new Set(['42501', '42883', '0A000']);

/** Throws what the driver throws; not as a part of a transaction, which what is not there would end. */
export async function findIdentity(database: Queryable): Promise<Identity> {
  const { rows } = await database.query<Pick<Identity, 'databaseOid' | 'tableOid' | 'recoveryTarget'>>(OF_THE_DATABASE);
  const [systemIdentifier, timeline] = [
    await valueOf<{ value: string }>(database, SYSTEM_IDENTIFIER),
    await valueOf<{ value: number }>(database, TIMELINE),
  ];
  const [found] = rows;
  if (!found) {
    throw new Error('The database does not say which one it is.');
  }
  return { ...found, systemIdentifier, timeline };
}

async function valueOf<Row extends QueryResultRow & { value: unknown }>(
  database: Queryable,
  statement: Sql,
): Promise<Row['value'] | null> {
  try {
    return (await database.query<Row>(statement)).rows[0]?.value ?? null;
  } catch (error) {
    if (NOT_THERE.has(codeOf(error))) return null;
    throw error;
  }
}
