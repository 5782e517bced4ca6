import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { createLogger, NestLogger } from '../process/logger.js';
import { StartError } from '../problems/start-error.js';
import { configOfProcess } from '../config/environment.js';
import { onDatabase } from '../config/load-config.js';
import { databaseOptions } from '../database/database-options.js';
import { startEmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { migrate, revertLast } from '../database/migrate.js';
import { throughPooler } from '../database/pooling.js';
import { startErrorOf } from '../database/unreachable.js';

// Brings the schema up to date; with --revert it takes back the migration that ran last. Needs DATABASE_URL, of a role
// that owns the schema, and no development packages.
async function main(): Promise<void> {
  const config = configOfProcess({ isServing: false });
  Logger.overrideLogger(new NestLogger(createLogger({ level: config.logLevel, isReadable: !config.isProduction })));
  const embedded =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({ dataDir: config.dataDir, sharesRunning: true })
      : null;
  const options = databaseOptions(embedded ? onDatabase(config, embedded.url) : config);
  try {
    const reachable = await throughPooler(options, { isServing: false });
    if (process.argv.includes('--revert')) {
      await revertLast(reachable);
      console.log('Took back the last migration.');
    } else {
      const ran = await migrate(reachable);
      console.log(ran.length > 0 ? `Migrations: ${ran.join(', ')}` : 'The schema is up to date.');
    }
  } catch (error) {
    throw startErrorOf(error, options);
  } finally {
    await embedded?.stop();
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError ? error.message : error);
  process.exitCode = 1;
});
