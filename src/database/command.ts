import { resolve } from 'node:path';
import { DataSource } from 'typeorm';
import type { AppConfig } from '../config/config.js';
import { onDatabase } from '../config/load-config.js';
import { codeOf } from '../problems/error-code.js';
import { StartError } from '../problems/start-error.js';
import { Database } from './database.js';
import { databaseOptions } from './database-options.js';
import { startEmbeddedPostgres } from './embedded/embedded-postgres.js';
import { throughPooler } from './pooling.js';
import { nameOf, startErrorOf } from './unreachable.js';

const UNDEFINED_TABLE = '42P01';

/**
 * Runs the work of a command on the service's database: without DATABASE_URL the embedded one, which may be running. Throws
 * what the work throws, and a {@link StartError} where the database cannot be used.
 */
export async function runOnDatabase<T>(
  settings: AppConfig,
  work: (database: Database, config: AppConfig) => Promise<T>,
): Promise<T> {
  const { databaseUrl, dataDir } = settings;
  const embedded = databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir, sharesRunning: true }) : null;
  const config = embedded ? onDatabase(settings, embedded.url) : settings;
  const options = databaseOptions(config);
  let dataSource: DataSource | undefined;
  try {
    const reachable = await throughPooler(options, { isServing: false });
    dataSource = await new DataSource({ ...reachable, poolSize: 1 }).initialize();
    return await work(new Database(dataSource), config);
  } catch (error) {
    throw codeOf(error) === UNDEFINED_TABLE
      ? new MissingTablesError(embedded ? `in ${resolve(dataDir)}` : nameOf(options), config.databaseSchema)
      : startErrorOf(error, options);
  } finally {
    await dataSource?.destroy();
    await embedded?.stop();
  }
}

/** The service has not started there; or the command has another environment than the service. */
class MissingTablesError extends StartError {
  constructor(database: string, schema: string) {
    super(
      `The database ${database} (schema ${schema}) lacks tables of this release. Run this with the same environment as ` +
        `the service; where that is so, start the service first, or npm run migrate.`,
    );
  }
}
