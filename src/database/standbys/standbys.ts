import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { CustomTypesConfig, QueryResultRow } from 'pg';
import type { Sql } from 'sql-template-tag';
import { AppConfig } from '../../config/config.js';
import { StartError } from '../../problems/start-error.js';
import { databaseOptions } from '../database-options.js';
import { CHECK_SETTINGS, ReservedConnections } from '../reserved-connections.js';
import { Standby } from './standby.js';

/** What a standby has, which had everything that was answered as done before it was asked. */
export interface StandbyAnswer<Row> {
  readonly rows: Row[];
  /** When the primary was asked, by its clock, as PostgreSQL writes a time. */
  readonly at: string;
}

/** The standbys of DATABASE_READ_URLS, for session checks alone. */
@Injectable()
export class Standbys implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly standbys: readonly Standby[];
  private turn = 0;

  constructor(
    private readonly reserved: ReservedConnections,
    config: AppConfig,
  ) {
    const { databaseReadUrls, databaseConnectTimeoutMs, sessionCheckTimeoutMs } = config;
    const { applicationName, extra } = databaseOptions(config);
    const options = {
      application_name: applicationName,
      keepAlive: extra.keepAlive,
      connectionTimeoutMillis: databaseConnectTimeoutMs,
      query_timeout: sessionCheckTimeoutMs,
      isToStandby: true,
      sessionSettings: { ...extra.sessionSettings, ...CHECK_SETTINGS, statement_timeout: sessionCheckTimeoutMs },
    };
    const findDatabase = async () => (await reserved.findPosition()).database;
    this.standbys = databaseReadUrls.map(
      (connectionString) => new Standby({ ...options, connectionString }, findDatabase),
    );
  }

  /** Whether any can be asked now. */
  get areReady(): boolean {
    return this.standbys.some(({ isReady }) => isReady);
  }

  /** Throws a {@link StartError} where they could never be asked. One that cannot be asked now is no reason not to start. */
  async onApplicationBootstrap(): Promise<void> {
    if (this.standbys.length === 0) {
      return;
    }
    if (this.reserved.isPooledByTransaction) {
      throw new StartError(
        'DATABASE_READ_URLS cannot be used where DATABASE_URL leads to a pooler that gives each transaction another ' +
          'connection (pool_mode = transaction): which server says where its log is would not be known. ' +
          'Use pool_mode = session, or leave DATABASE_READ_URLS out.',
      );
    }
    await Promise.all(this.standbys.map((standby) => standby.open()));
  }

  /**
   * What a statement reads at a standby that has replayed all that the primary had written when this was called. Null where
   * none has in time: then it is for the primary to say. Throws what the driver throws where the primary does not answer.
   */
  async read<Row extends QueryResultRow>(
    name: string,
    { text, values }: Sql,
    types: CustomTypesConfig,
  ): Promise<StandbyAnswer<Row> | null> {
    const standby = this.choose();
    if (!standby) {
      return null;
    }
    // Before, and by itself: what the primary writes later is in no answer that must have it.
    const position = await this.reserved.findPosition();
    try {
      return { rows: await standby.read<Row>(position, { name, text, values, types }), at: position.at };
    } catch {
      return null;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.standbys.map((standby) => standby.close()));
  }

  /** Each in turn, of those that are ready. */
  private choose(): Standby | undefined {
    const ready = this.standbys.filter(({ isReady }) => isReady);
    return ready[this.turn++ % ready.length];
  }
}
