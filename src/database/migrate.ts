import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import sql from 'sql-template-tag';
import { DataSource, type Migration, MigrationExecutor, type QueryRunner } from 'typeorm';
import { DEFAULT_SCHEMA } from '../config/database.config.js';
import { codeOf } from '../problems/error-code.js';
import { StartError } from '../problems/start-error.js';
import { type PostgresOptions, urlSettingOf, withoutTimeLimits } from './database-options.js';
import { Database } from './database.js';
import { SchemaForbiddenError, SchemaMissingError, SchemaOfRoleError } from './migrate.errors.js';
import { missingMigrations } from './missing-migrations.js';
import { lockIn } from './schema-scope.js';

// Any number will do, as long as it is ours and never changes.
const MIGRATION_LOCK = 5_284_201;
// A statement that waits for a table holds up all that come after it: less than a session check may take.
const LOCK_TIMEOUT_MS = 200;
const TABLE_AGAIN_AFTER_MS = 1000;
const TURN_AGAIN_AFTER_MS = 200;
const SAYS_SO_EVERY_MS = 10_000;
const GIVES_UP_AFTER_MS = 600_000;

const LOCK_NOT_AVAILABLE = '55P03';
const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * Brings the schema up to date. Instances that start together wait for each other: one migrates, the rest find nothing
 * to do. A table that is in use is asked for again and again, for a moment each time. Returns the names of the
 * migrations that ran. Throws {@link StartError} where the role may not, or the lock is not free for ten minutes.
 */
export function migrate(options: PostgresOptions): Promise<string[]> {
  return onSchema(options, async (dataSource) => {
    // Without anything to do, no right is needed.
    const missing = await missingOf(dataSource);
    return missing.length === 0
      ? []
      : inTurn(dataSource, async (runner) => {
          await ensureSchema(runner, options);
          return runPending(dataSource, runner);
        });
  });
}

/** Takes back the migration that ran last. Throws as {@link migrate} does, and where this code does not know it. */
export function revertLast(options: PostgresOptions): Promise<void> {
  return onSchema(options, (dataSource) =>
    inTurn(dataSource, (runner) =>
      onceTablesAreFree('The last migration', () =>
        inTransaction(runner, () => new MigrationExecutor(dataSource, runner).undoLastMigration()),
      ),
    ),
  );
}

const missingOf = (dataSource: DataSource): Promise<string[]> =>
  missingMigrations(dataSource.migrations, new Database(dataSource));

/** Works on connections of its own. What the role may not do becomes a {@link SchemaForbiddenError}. */
export async function onSchema<T>(options: PostgresOptions, work: (dataSource: DataSource) => Promise<T>): Promise<T> {
  // Connections of their own, without time-outs: building an index may take long.
  const dataSource = new DataSource({ ...withoutTimeLimits(options), entities: [], poolSize: 2 });
  await dataSource.initialize();
  try {
    return await work(dataSource);
  } catch (error) {
    throw codeOf(error) === INSUFFICIENT_PRIVILEGE
      ? new SchemaForbiddenError(urlSettingOf(options), await missingOf(dataSource).catch(() => null), error)
      : error;
  } finally {
    await dataSource.destroy();
  }
}

/**
 * Works while no other instance migrates. The lock belongs to a transaction, which ends with its connection, and which
 * a pooler in between cannot give to another client.
 */
export async function inTurn<T>(dataSource: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
  const lock = lockIn(schemaOf(dataSource), MIGRATION_LOCK).text;
  const [turn, runner] = [dataSource.createQueryRunner(), dataSource.createQueryRunner()];
  // Never in a statement that waits: what builds an index beside running transactions would wait for that one in turn.
  await turn.startTransaction('READ COMMITTED');
  try {
    await turn.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await patiently('Another instance migrates', TURN_AGAIN_AFTER_MS, async () => {
      // Without parameters: with them the driver leaves a portal behind, whose snapshot an index that is built CONCURRENTLY
      // would wait for.
      const [row]: { isOurs: boolean }[] = await turn.query(`SELECT pg_try_advisory_xact_lock(${lock}) AS "isOurs"`);
      return row?.isOurs ? row : null;
    });
    return await work(runner);
  } finally {
    await turn.rollbackTransaction().catch(() => undefined);
    await Promise.all([turn.release(), runner.release()]);
  }
}

/** The schema that everything is in. */
const schemaOf = ({ options }: DataSource): string =>
  ('schema' in options ? options.schema : undefined) ?? DEFAULT_SCHEMA;

/**
 * Makes the schema of the settings where there is none: asked first, since that takes no right. Throws {@link StartError},
 * also where it would have the name of the role: whatever connects with that one would look there first.
 */
async function ensureSchema(runner: QueryRunner, options: PostgresOptions): Promise<void> {
  const { schema } = options;
  if (schema === undefined) {
    return;
  }
  const { text, values } = sql`SELECT current_user = ${schema} AS "isOfRole",
    EXISTS (SELECT FROM pg_namespace WHERE nspname = ${schema}) AS "exists"`;
  const [found]: { isOfRole: boolean; exists: boolean }[] = await runner.query(text, values);
  if (found?.exists) {
    return;
  }
  if (found?.isOfRole) {
    throw new SchemaOfRoleError(urlSettingOf(options), schema);
  }
  try {
    await runner.createSchema(schema);
  } catch (error) {
    throw codeOf(error) === INSUFFICIENT_PRIVILEGE
      ? new SchemaMissingError(urlSettingOf(options), schema, error)
      : error;
  }
}

async function runPending(dataSource: DataSource, runner: QueryRunner): Promise<string[]> {
  const executor = new MigrationExecutor(dataSource, runner);
  const pending = await executor.getPendingMigrations();
  for (const migration of pending) {
    await onceTablesAreFree(migration.name, () => run(executor, runner, migration));
  }
  return pending.map(({ name }) => name);
}

function run(executor: MigrationExecutor, runner: QueryRunner, migration: Migration): Promise<unknown> {
  const isAtomic = migration.instance?.transaction ?? true;
  return isAtomic
    ? inTransaction(runner, () => executor.executeMigration(migration))
    : executor.executeMigration(migration);
}

async function inTransaction(runner: QueryRunner, work: () => Promise<unknown>): Promise<void> {
  await runner.startTransaction();
  try {
    await runner.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; SET LOCAL statement_timeout = 0`);
    await work();
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  }
}

const onceTablesAreFree = async (name: string, work: () => Promise<unknown>): Promise<void> => {
  await patiently(`${name} waits for a table that a long transaction uses`, TABLE_AGAIN_AFTER_MS, async () => {
    try {
      await work();
      return true;
    } catch (error) {
      if (codeOf(error) === LOCK_NOT_AVAILABLE) return null;
      throw error;
    }
  });
};

/** Tries until there is a result, and logs now and then what it waits for. Throws {@link StartError} after ten minutes. */
async function patiently<T>(why: string, pauseMs: number, attempt: () => Promise<T | null>): Promise<T> {
  const startedAt = performance.now();
  let saidAt = -Infinity;
  for (;;) {
    const result = await attempt();
    if (result !== null) {
      return result;
    }
    const now = performance.now();
    if (now - startedAt > GIVES_UP_AFTER_MS) {
      throw new StartError(`${why}, for ${GIVES_UP_AFTER_MS / 60_000} minutes now. pg_stat_activity shows who.`);
    }
    if (now - saidAt > SAYS_SO_EVERY_MS) {
      new Logger('Database').warn(`${why}; trying again`);
      saidAt = now;
    }
    await sleep(pauseMs);
  }
}
