import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { configOfProcess } from './src/config/environment.js';
import { onDatabase } from './src/config/load-config.js';
import { databaseOptions, withoutTimeLimits } from './src/database/database-options.js';
import { startEmbeddedPostgres } from './src/database/embedded/embedded-postgres.js';

// The same database as the service's, as the role that migrates: where none is configured the embedded one, which may be running
// already.
const config = configOfProcess();
const databaseUrl =
  config.migrationDatabaseUrl ??
  config.databaseUrl ??
  (await startEmbeddedPostgres({ dataDir: config.dataDir, sharesRunning: true })).url;

/** What the TypeORM command line works on. It is a developer's: changes to the schema may take their time. */
export default new DataSource({
  ...withoutTimeLimits(databaseOptions(onDatabase(config, databaseUrl))),
  entities: ['src/**/*.entity.ts'],
});
