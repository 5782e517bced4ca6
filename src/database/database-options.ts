import type { DataSourceOptions } from 'typeorm';
import type { AppConfig } from '../config/config.js';
import { ServiceClient } from './service-client.js';
import { migrations } from './migrations/index.js';

export type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

// So that the server's own time-out ends a statement first.
const DRIVER_MARGIN_MS = 500;

const MIGRATION_URL = 'MIGRATION_DATABASE_URL';

/** How to reach the database: the one description, for the service and for the command line. */
export function databaseOptions(config: AppConfig) {
  const { databaseStatementTimeoutMs: statementMs, databaseSchema: schema } = config;
  return {
    type: 'postgres' as const,
    ...(config.databaseUrl !== undefined && { url: config.databaseUrl }),
    // What TypeORM writes names it, what we write goes by the search path. Public is set too: PostgreSQL would look in a
    // schema with the name of the role before, even in one that is made while the service runs.
    schema,
    applicationName: 'latchkey',
    poolSize: config.databasePoolSize,
    connectTimeoutMS: config.databaseConnectTimeoutMs,
    migrations,
    migrationsTableName: 'migrations',
    // Each in a transaction of its own, unless it says that it cannot be in one.
    migrationsTransactionMode: 'each' as const,
    synchronize: false,
    // With the former, plain gen_random_uuid(); PostgreSQL has it without any extension.
    uuidExtension: 'pgcrypto' as const,
    installExtensions: false,
    extra: {
      Client: ServiceClient,
      keepAlive: true,
      query_timeout: statementMs + DRIVER_MARGIN_MS,
      sessionSettings: {
        statement_timeout: statementMs,
        idle_in_transaction_session_timeout: statementMs * 2,
        // Each statement sees what committed before it, and none fails for what committed meanwhile.
        default_transaction_isolation: 'read committed',
        search_path: schema,
      },
    },
  };
}

/** How to reach it as the role that migrates; undefined where the role that serves does that too. */
export function migrationOptions(config: AppConfig): PostgresOptions | undefined {
  const { migrationDatabaseUrl: url } = config;
  const options = databaseOptions(config);
  return url === undefined ? undefined : { ...options, url, extra: { ...options.extra, urlSetting: MIGRATION_URL } };
}

/** Which setting has the URL of these options. */
export const urlSettingOf = ({ extra }: PostgresOptions): string =>
  extra?.urlSetting === MIGRATION_URL ? MIGRATION_URL : 'DATABASE_URL';

/** The same for what may take its time: only the search path is set. */
export const withoutTimeLimits = (options: PostgresOptions): PostgresOptions => ({
  ...options,
  extra: {
    Client: ServiceClient,
    isPooledByTransaction: options.extra?.isPooledByTransaction,
    sessionSettings: options.schema === undefined ? {} : { search_path: options.schema },
  },
});
