import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Pool, type PoolConfig, type QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import { AppConfig } from '../config/config.js';
import { poolOf, queryPrepared } from './prepared-statements.js';
import type { ServiceClientOptions } from './service-client.js';

// One is enough, since a check answers all that wait. The other one is for the next while nobody waits for the answer of
// the first any more.
const CONNECTIONS = 2;

/**
 * Connections beside the pool, for session checks alone: every protected request waits for them, so they must not wait
 * for whatever keeps the pool busy. They are opened at the start, and again when they are lost.
 */
@Injectable()
export class ReservedConnections implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly pool: Pool;

  constructor(@InjectDataSource() dataSource: DataSource, { sessionCheckTimeoutMs }: AppConfig) {
    const { options } = poolOf(dataSource);
    const settings: PoolConfig & ServiceClientOptions = {
      ...options,
      // Hidden from copies.
      password: options.password,
      max: CONNECTIONS,
      min: CONNECTIONS,
      // Checks are given up after half of this, so the first is free again by when the other one is.
      sessionSettings: { statement_timeout: sessionCheckTimeoutMs },
      query_timeout: sessionCheckTimeoutMs,
    };
    this.pool = new Pool(settings);
    // Whoever asks next finds out.
    this.pool.on('error', () => undefined);
  }

  /** No check has to wait for the first connection. */
  async onApplicationBootstrap(): Promise<void> {
    const opened = Array.from({ length: CONNECTIONS }, () => this.query('ping', 'SELECT', []));
    await Promise.allSettled(opened);
  }

  /** As {@link PreparedStatements.query}. Statements must be short, and few at a time. */
  query<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    return queryPrepared<Row>(this.pool, name, text, values);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}
