import { Matches } from 'class-validator';
import { LimitsConfig } from './limits.config.js';
import { IntegerSetting, IsDatabaseUrl, ListSetting, TextSetting } from './setting.decorators.js';

// Names that need no quotes; short, since names of channels end with it, and PostgreSQL cuts those off after 63.
const SCHEMA_NAME = /^(?!pg_|information_schema$)[a-z_][a-z0-9_]{0,39}$/;

/** What everything is in that names no schema. */
export const DEFAULT_SCHEMA = 'public';

/** Which database, and as which roles it is asked. */
export class DatabaseConfig extends LimitsConfig {
  @IsDatabaseUrl({ message: 'DATABASE_URL must look like postgres://user:password@host:5432/name' })
  @TextSetting('DATABASE_URL')
  readonly databaseUrl?: string;

  /** Of the role that owns the tables. Unset: the one in DATABASE_URL migrates too. */
  @IsDatabaseUrl({ message: 'MIGRATION_DATABASE_URL must look like postgres://user:password@host:5432/name' })
  @TextSetting('MIGRATION_DATABASE_URL')
  readonly migrationDatabaseUrl?: string;

  /** Standbys that session checks are asked of. */
  @IsDatabaseUrl({
    each: true,
    message: 'DATABASE_READ_URLS must be a list of URLs such as postgres://user:password@standby:5432/name',
  })
  @ListSetting('DATABASE_READ_URLS')
  readonly databaseReadUrls: readonly string[] = [];

  /** Where the tables are. It is made where there is none. */
  @Matches(SCHEMA_NAME, {
    message:
      'DATABASE_SCHEMA must have at most 40 lower case letters, digits and _, no digit first, and not begin with pg_',
  })
  @TextSetting('DATABASE_SCHEMA')
  readonly databaseSchema: string = DEFAULT_SCHEMA;

  /** Whether a database that lacks what it had is served all the same. */
  @TextSetting('RESTORED', ['acknowledged'])
  readonly restored?: 'acknowledged';

  @IntegerSetting('DATABASE_POOL_SIZE', { min: 2, max: 1000 })
  readonly databasePoolSize: number = 10;

  @IntegerSetting('DATABASE_CONNECT_TIMEOUT_MS', { min: 100, max: 60_000 })
  readonly databaseConnectTimeoutMs: number = 2000;

  @IntegerSetting('DATABASE_STATEMENT_TIMEOUT_MS', { min: 100, max: 60_000 })
  readonly databaseStatementTimeoutMs: number = 5000;
}
