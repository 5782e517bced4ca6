import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Pool, type QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import { AppConfig } from '../config/config.js';
import { poolOf, queryPrepared } from './prepared-statements.js';

/**
 * One connection beside the pool, for session checks alone: every protected request waits for them, so they must not
 * wait for whatever keeps the pool busy. It is opened again with the next statement when it was lost.
 */
@Injectable()
export class ReservedConnection implements OnApplicationShutdown {
  private readonly pool: Pool;

  constructor(@InjectDataSource() dataSource: DataSource, { sessionCheckTimeoutMs }: AppConfig) {
    const { options } = poolOf(dataSource);
    // Nobody waits for a check any longer, and the next must not wait behind it.
    const deadlineMs = Math.ceil(sessionCheckTimeoutMs / 2);
    this.pool = new Pool({
      ...options,
      // Hidden from copies.
      password: options.password,
      max: 1,
      // Kept while idle.
      min: 1,
      statement_timeout: deadlineMs,
      query_timeout: deadlineMs,
    });
    // Whoever asks next finds out.
    this.pool.on('error', () => undefined);
  }

  /** As {@link PreparedStatements.query}. Statements wait for each other: they must be short, and few at a time. */
  query<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    return queryPrepared<Row>(this.pool, name, text, values);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}
