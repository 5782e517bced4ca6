import { DataSource, type DataSourceOptions } from 'typeorm';

export type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

// Any number will do, as long as it is ours and never changes.
const MIGRATION_LOCK = 5_284_201;

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
    await dataSource.createQueryRunner().query(`SELECT pg_advisory_lock($1)`, [MIGRATION_LOCK]);
    const ran = await dataSource.runMigrations({ transaction: 'each' });
    return ran.map(({ name }) => name);
  } finally {
    await dataSource.destroy();
  }
}
