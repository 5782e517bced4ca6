import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, type DataSourceOptions, type EntityManager } from 'typeorm';

export type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

// Any number will do, as long as it is ours and never changes.
const MIGRATION_LOCK = 5_284_201;
const ASK_AGAIN_AFTER_MS = 100;

/**
 * Brings the schema up to date. Instances that start together wait for each other: one migrates, the rest find nothing
 * to do. Returns the names of the migrations that ran.
 */
export async function migrate(options: PostgresOptions): Promise<string[]> {
  // A connection of its own, without time-outs: waiting for the lock or building an index may take long. Closing it
  // gives the lock back, whatever happened.
  const dataSource = new DataSource({ ...options, entities: [], poolSize: 2, extra: {} });
  await dataSource.initialize();
  try {
    const holder = dataSource.createQueryRunner().manager;
    // Asked again and again, never waited for in one statement: its snapshot would be waited for by an index that is
    // built CONCURRENTLY, and both would wait for ever.
    while (!(await isLocked(holder))) {
      await sleep(ASK_AGAIN_AFTER_MS);
    }
    const ran = await dataSource.runMigrations();
    return ran.map(({ name }) => name);
  } finally {
    await dataSource.destroy();
  }
}

async function isLocked(holder: EntityManager): Promise<boolean> {
  const [row] = await holder.query<{ locked: boolean }[]>(`SELECT pg_try_advisory_lock($1) AS locked`, [
    MIGRATION_LOCK,
  ]);
  return row?.locked === true;
}
