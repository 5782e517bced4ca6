import { Global, Logger, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import sql from 'sql-template-tag';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { AppConfig } from '../config/config.js';
import { DEFAULT_SCHEMA } from '../config/database.config.js';
import { DATA_SOURCE } from './data-source.js';
import { Database } from './database.js';
import { databaseOptions, migrationOptions } from './database-options.js';
import { Durability } from './durability.js';
import { Notifications } from './notifications.js';
import { HistoryCheck } from './history/history-check.js';
import { HistoryKeeper } from './history/history-keeper.js';
import { DatabaseRestoredError } from './history/history.errors.js';
import { joinHistory } from './history/join-history.js';
import { historyOf, poolOf } from './pool.js';
import { throughPooler } from './pooling.js';
import { ReservedConnections } from './reserved-connections.js';
import { Retention } from './retention.js';
import { bringUpToDate, requireRights } from './roles/grant-rights.js';
import { ServingRole } from './roles/serving-role.js';
import { Schema } from './schema.js';
import { Standbys } from './standbys/standbys.js';
import { DatabaseUnreachableError, startErrorOf } from './unreachable.js';

const CONNECT_ATTEMPTS = 5;
const CONNECT_AGAIN_AFTER_MS = 1000;
const CLOCK_TOLERANCE_SECONDS = 5;
const POOLED =
  'A pooler gives each transaction another connection (pool_mode = transaction): event streams say that they are ' +
  'degraded and end by the check twice a minute, and statements are not prepared. pool_mode = session has neither.';

/** The connection to PostgreSQL, with the schema up to date before anything else starts. */
@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      name: DATA_SOURCE,
      inject: [AppConfig],
      useFactory: (config: AppConfig) => ({
        ...servingOptions(config),
        autoLoadEntities: true,
        retryAttempts: CONNECT_ATTEMPTS,
        retryDelay: CONNECT_AGAIN_AFTER_MS,
        toRetry: (error: unknown) => error instanceof DatabaseUnreachableError,
      }),
      dataSourceFactory: connect,
    }),
  ],
  providers: [
    Database,
    Durability,
    HistoryKeeper,
    Notifications,
    ReservedConnections,
    Retention,
    Schema,
    ServingRole,
    Standbys,
  ],
  exports: [Database, Durability, Notifications, ReservedConnections, Retention, Schema, Standbys],
})
export class DatabaseModule {}

function servingOptions(config: AppConfig) {
  const options = databaseOptions(config);
  const history = new HistoryCheck(config.restored === 'acknowledged');
  return { ...options, extra: { ...options.extra, history, owner: migrationOptions(config) } };
}

async function connect(options?: DataSourceOptions): Promise<DataSource> {
  if (options?.type !== 'postgres') {
    throw new Error('There are no options for PostgreSQL.');
  }
  // What serves has no use for the other role's URL.
  const { owner, ...extra } = options.extra;
  try {
    const reachable = await throughPooler({ ...options, extra });
    if (reachable.extra?.isPooledByTransaction) {
      new Logger('Database').warn(POOLED);
    }
    const ran = await bringUpToDate(reachable, owner);
    if (ran.length > 0) {
      new Logger('Database').log(`Migrations: ${ran.join(', ')}`);
    }
    const dataSource = await new DataSource(reachable).initialize();
    try {
      await requireRights(new Database(dataSource), options.schema ?? DEFAULT_SCHEMA);
      await requireHistory(dataSource, options.schema);
      await warnOfClock(dataSource);
    } catch (error) {
      await dataSource.destroy();
      throw error;
    }
    return dataSource;
  } catch (error) {
    throw startErrorOf(error, options);
  }
}

/** Throws {@link DatabaseRestoredError} where the database lacks what it had when it was served last. */
async function requireHistory(dataSource: DataSource, schema = DEFAULT_SCHEMA): Promise<void> {
  const check = historyOf(poolOf(dataSource));
  const why = check && (await joinHistory(new Database(dataSource), check, schema));
  if (why) {
    throw new DatabaseRestoredError(why);
  }
  if (check?.isAcknowledged) {
    new Logger('Database').warn(
      'RESTORED=acknowledged: restored backups are served. Remove it once all instances run.',
    );
  }
}

// Sessions and tokens go by the database's clock alone, limits by the instance's.
async function warnOfClock(dataSource: DataSource): Promise<void> {
  const { rows } = await new Database(dataSource).query<{ now: Date }>(sql`SELECT now() AS now`);
  const aheadSeconds = Math.round((Date.now() - (rows[0]?.now.getTime() ?? Date.now())) / 1000);
  if (Math.abs(aheadSeconds) > CLOCK_TOLERANCE_SECONDS) {
    const direction = aheadSeconds > 0 ? 'ahead of' : 'behind';
    new Logger('Database').warn(
      `This clock is ${Math.abs(aheadSeconds)} seconds ${direction} the database's; limits last that much longer or shorter.`,
    );
  }
}
