import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { QueryConfig, QueryResultRow } from 'pg';
import sql from 'sql-template-tag';
import { StartError } from '../../problems/start-error.js';
import { LateError, within } from '../../problems/within.js';
import { ServiceClient, type ServiceClientOptions } from '../service-client.js';
import { type Answer, answerOf } from '../transaction.js';
import { DATABASE, type LogPosition, type Why, whyNot } from './log-position.js';

// A request waits no longer than this for a standby to replay what it lacks.
const REPLAYS_WITHIN_MS = 5;
const ASKS_AGAIN_AFTER_MS = 1;
// A standby that has just said that it has everything is not frozen, so its answer may take as long as a busy machine needs.
const READS_WITHIN_MS = 50;
const CLOSES_WITHIN_MS = 500;
// There must be time left for the primary.
const SHARE_OF_TIMEOUT = 8;
// What was of no use is left alone for this long.
const AGAIN_AFTER_MS = 1000;

/** The URL of a standby leads to something that never is one of this database. */
class UnsuitableStandbyError extends StartError {}

/** A standby cannot say in time, or must not. */
class NoAnswerError extends Error {}

/**
 * One connection to a standby, for one statement at a time. It is opened ahead and again after it was lost, so that no
 * request waits for that, and is not asked for a second after it was of no use.
 */
export class Standby {
  private readonly logger = new Logger('Database');
  private readonly host: string;
  private client: ServiceClient | null = null;
  private isFree = false;
  private isClosed = false;
  private asked: Promise<unknown> = Promise.resolve();
  private database = '';
  private failure: string | null = null;

  /** @param findDatabase which database the primary has */
  constructor(
    private readonly options: ServiceClientOptions & { readonly query_timeout: number },
    private readonly findDatabase: () => Promise<string>,
  ) {
    this.host = new URL(options.connectionString ?? '').host;
  }

  /** Whether it can be asked now. */
  get isReady(): boolean {
    return this.isFree;
  }

  /** Throws {@link UnsuitableStandbyError}. Whatever else is in the way is logged, and it is tried again. */
  async open(): Promise<void> {
    const client = new ServiceClient(this.options);
    let isLost = false;
    client.once('end', () => {
      isLost = true;
      this.lose(client);
    });
    try {
      await client.connect();
      this.database = await this.requireSuitable(client);
      if (isLost) {
        throw new NoAnswerError('its connection was lost');
      }
      if (this.isClosed) {
        await client.end();
        return;
      }
      this.client = client;
      this.isFree = true;
    } catch (error) {
      client.end().catch(() => undefined);
      this.openLater();
      if (error instanceof UnsuitableStandbyError) throw error;
      this.report(messageOf(error));
    }
  }

  /**
   * The rows of a statement that reads, as this standby has them once it has what the primary had at a position. Throws where
   * it has not within a few milliseconds, and what the driver throws; then it is not ready for a while.
   */
  async read<Row extends QueryResultRow>(since: LogPosition, statement: QueryConfig): Promise<Row[]> {
    const { client } = this;
    if (!client || !this.isFree) {
      throw new NoAnswerError('it is not connected');
    }
    this.isFree = false;
    try {
      if (since.database !== this.database) {
        throw new NoAnswerError('it is of another database than the primary');
      }
      await this.waitUntilReplayed(client, since);
      const milliseconds = Math.min(READS_WITHIN_MS, this.options.query_timeout / SHARE_OF_TIMEOUT);
      const { rows } = await within(milliseconds, this.keep(answerOf<Row>(client, statement)));
      this.isFree = this.client === client;
      this.report(null);
      return rows;
    } catch (error) {
      this.report(messageOf(error));
      this.freeLater(client);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.isFree = false;
    // A frozen one never answers.
    await within(CLOSES_WITHIN_MS, this.client?.end() ?? Promise.resolve()).catch(() => undefined);
  }

  private async waitUntilReplayed(client: ServiceClient, since: LogPosition): Promise<void> {
    const until = performance.now() + REPLAYS_WITHIN_MS;
    for (;;) {
      const left = Math.max(until - performance.now(), ASKS_AGAIN_AFTER_MS);
      const why = await within(left, this.keep(whyNot(client, since))).catch((error: unknown) => {
        throw error instanceof LateError ? new NoAnswerError(BEHIND) : error;
      });
      if (why === null) {
        return;
      }
      if (!PASSES.has(why) || performance.now() >= until) {
        throw new NoAnswerError(why);
      }
      await sleep(ASKS_AGAIN_AFTER_MS);
    }
  }

  /** Returns which database it has. Behind a pooler two statements may be answered by two servers. */
  private async requireSuitable(client: ServiceClient): Promise<string> {
    const { text, values } = sql`SELECT pg_backend_pid() AS pid, ${DATABASE} AS database`;
    const [expected, { rows }]: [string, Answer<{ pid: number; database: string }>] = await Promise.all([
      this.findDatabase(),
      answerOf<{ pid: number; database: string }>(client, { text, values }),
    ]);
    const [row] = rows;
    if (!row || !('processID' in client) || client.processID !== row.pid) {
      throw new UnsuitableStandbyError(
        `DATABASE_READ_URLS leads to a pooler at ${this.host}: name the standbys themselves.`,
      );
    }
    if (row.database !== expected) {
      throw new UnsuitableStandbyError(
        `DATABASE_READ_URLS: what is at ${this.host} is no standby of the database of DATABASE_URL.`,
      );
    }
    return row.database;
  }

  private keep<T>(answer: Promise<T>): Promise<T> {
    this.asked = answer.catch(() => undefined);
    return answer;
  }

  private lose(client: ServiceClient): void {
    if (this.client === client) {
      this.client = null;
      this.isFree = false;
      this.openLater();
    }
  }

  private openLater(): void {
    setTimeout(() => {
      if (!this.isClosed) {
        this.open().catch((error: unknown) => this.report(messageOf(error)));
      }
    }, AGAIN_AFTER_MS).unref();
  }

  // Not before what it was asked is answered: nothing is to wait behind that. Where it never is, the connection is closed.
  private freeLater(client: ServiceClient): void {
    void this.asked.then(() => {
      setTimeout(() => {
        if (this.client === client && !this.isClosed) this.isFree = true;
      }, AGAIN_AFTER_MS).unref();
    });
  }

  /** Once for each failure. That a standby is behind or busy may come and go all the time, and is not logged. */
  private report(failure: string | null): void {
    if (failure === this.failure || failure === BEHIND) {
      return;
    }
    this.failure = failure;
    if (failure === null) {
      this.logger.log(`The standby ${this.host} is asked again`);
    } else {
      this.logger.warn(`The standby ${this.host} is not asked: ${failure}`);
    }
  }
}

const BEHIND: Why = 'it is behind';
const PASSES: ReadonlySet<Why> = new Set([BEHIND, 'its clock differs from that of the primary']);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
