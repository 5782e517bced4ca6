import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { type CustomTypesConfig, Pool, type PoolClient, type PoolConfig, type QueryResultRow } from 'pg';
import sql, { type Sql } from 'sql-template-tag';
import { DataSource } from 'typeorm';
import { AppConfig } from '../config/config.js';
import { InjectOurDataSource } from './data-source.js';
import { onConnection, poolOf, sendTo } from './pool.js';
import type { ServiceClientOptions } from './service-client.js';
import { findLog, findPosition, type Log, type LogPosition } from './standbys/log-position.js';
import type { Answer } from './transaction.js';

// One is enough, since a check answers all that wait. The other one is for the next check, while the first is given up
// but not yet answered.
const CONNECTIONS = 2;

/**
 * What is asked here is planned once for each connection: planning takes longer than looking up a session. A plan holds until
 * the tables are analysed, so one that was made while they were empty must be good when they are big: it looks rows up by an
 * index, and reads no table whole, neither as a scan nor for a join.
 */
const ONE_PLAN = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_material: 'off',
  // Up to PostgreSQL 17 a plan that has what is off counts as so costly that it is compiled, which takes longer than many checks.
  jit: 'off',
};

/** What connections for session checks are set to, of a primary and of standbys. Times are written in UTC. */
export const CHECK_SETTINGS = { ...ONE_PLAN, timezone: 'UTC' };

/**
 * Connections beside the pool, for session checks alone: every protected request waits for them, so they must not wait
 * for what keeps the pool busy. They are opened at the start, and again when they are lost.
 */
@Injectable()
export class ReservedConnections implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly pool: Pool;
  private readonly logs = new WeakMap<PoolClient, Log>();
  /** Whether each transaction may be on another of the server's connections. */
  readonly isPooledByTransaction: boolean;

  constructor(@InjectOurDataSource() dataSource: DataSource, { sessionCheckTimeoutMs }: AppConfig) {
    const options: PoolConfig & ServiceClientOptions = poolOf(dataSource).options;
    const settings: PoolConfig & ServiceClientOptions = {
      ...options,
      // Hidden from copies.
      password: options.password,
      max: CONNECTIONS,
      min: CONNECTIONS,
      // Checks are given up after half of this, so the first is free again by when the other one is.
      sessionSettings: {
        ...options.sessionSettings,
        ...CHECK_SETTINGS,
        statement_timeout: sessionCheckTimeoutMs,
      },
      query_timeout: sessionCheckTimeoutMs,
    };
    this.isPooledByTransaction = options.isPooledByTransaction ?? false;
    this.pool = new Pool(settings);
    // The next statement reports it.
    this.pool.on('error', () => undefined);
  }

  /** No check has to wait for the first connection. */
  async onApplicationBootstrap(): Promise<void> {
    const opened = Array.from({ length: CONNECTIONS }, () => this.prepared('ping', sql`SELECT`));
    await Promise.allSettled(opened);
  }

  /** As `Database.prepared`. Statements must be short, and few at a time. Times are written in UTC. */
  prepared<Row extends QueryResultRow>(name: string, statement: Sql, types?: CustomTypesConfig): Promise<Answer<Row>> {
    const { text, values } = this.isPooledByTransaction ? onPrimary(statement) : statement;
    return sendTo<Row>(this.pool, { name, text, values, types });
  }

  /**
   * Up to where the primary has written its log. All that was answered as done before this was called is before that. Not for
   * what is pooled by transaction.
   */
  findPosition(): Promise<LogPosition> {
    return onConnection(this.pool, async (client) => {
      const log = this.logs.get(client) ?? (await findLog(client));
      this.logs.set(client, log);
      return findPosition(client, log);
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}

// Behind a pooler the next transaction may be on a standby, so that each asks: PostgreSQL refuses the function there, with
// 55000, and plans it ahead of all else.
const onPrimary = (statement: Sql): Sql => sql`
  SELECT * FROM (${statement}) AS answer
  WHERE (SELECT CASE WHEN pg_is_in_recovery() THEN pg_current_wal_lsn() END) IS NULL`;
