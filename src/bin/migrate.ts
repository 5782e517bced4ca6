import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { createLogger, NestLogger } from '../process/logger.js';
import { StartError } from '../problems/start-error.js';
import type { AppConfig } from '../config/config.js';
import { configOfProcess } from '../config/environment.js';
import { onDatabase } from '../config/load-config.js';
import { databaseOptions, migrationOptions, type PostgresOptions } from '../database/database-options.js';
import { startEmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { migrate, revertLast } from '../database/migrate.js';
import { throughPooler } from '../database/pooling.js';
import { grantRights, roleOf } from '../database/roles/grant-rights.js';
import { startErrorOf } from '../database/unreachable.js';

// Brings the schema up to date; with --revert it takes back the migration that ran last. Needs the URL of a role that owns the
// schema, in MIGRATION_DATABASE_URL or DATABASE_URL, and no development packages. Where both are set, the role in the second one
// gets the rights that it needs to serve, and no others.
async function main(): Promise<void> {
  const config = configOfProcess({ isServing: false, isMigrating: true });
  Logger.overrideLogger(new NestLogger(createLogger({ level: config.logLevel, isReadable: !config.isProduction })));
  const embedded =
    config.databaseUrl === undefined && config.migrationDatabaseUrl === undefined
      ? await startEmbeddedPostgres({ dataDir: config.dataDir, sharesRunning: true })
      : null;
  const settings = embedded ? onDatabase(config, embedded.url) : config;
  const options = migrationOptions(settings) ?? databaseOptions(settings);
  try {
    const reachable = await throughPooler(options, { isServing: false });
    if (process.argv.includes('--revert')) {
      await revertLast(reachable);
      console.log('Took back the last migration.');
    } else {
      const ran = await migrate(reachable);
      console.log(ran.length > 0 ? `Migrations: ${ran.join(', ')}` : 'The schema is up to date.');
      await grantToServing(reachable, settings);
    }
  } catch (error) {
    throw startErrorOf(error, options);
  } finally {
    await embedded?.stop();
  }
}

async function grantToServing(owner: PostgresOptions, config: AppConfig): Promise<void> {
  if (config.migrationDatabaseUrl === undefined || config.databaseUrl === undefined) {
    return;
  }
  const role = await roleOf(databaseOptions(config));
  const isGranted = await grantRights(owner, role);
  console.log(
    isGranted
      ? `The role ${role} has the rights that it needs to serve.`
      : `The role ${role} owns the tables, or is a superuser: it was given no rights, since it has all.`,
  );
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError ? error.message : error);
  process.exitCode = 1;
});
