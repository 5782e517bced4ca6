import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { codeOf } from '../problems/error-code.js';
import { tableSwept } from './database.measurements.js';

const FIRST_AFTER_MS = 60_000;
const EVERY_MS = 3_600_000;
const BATCH_ROWS = 1000;
const INSUFFICIENT_PRIVILEGE = '42501';

/** Rows whose time is over, and how to find them. */
export interface Chore {
  readonly table: string;
  /** The column that decides. An index must begin with it: the oldest rows are found there, and go first. */
  readonly column: string;
  /** SQL: a row is over whose column is less than this. With parameters from $1. */
  readonly before: string;
  readonly parameters: readonly unknown[];
  /** A setting that the deleting transaction carries, for triggers that ask who deletes. */
  readonly setting?: { readonly name: string; readonly value: string };
  /** Nobody changes its rows, so they need not be locked before they go: that would take the right to UPDATE them. */
  readonly isAppendOnly?: boolean;
}

interface Batch {
  readonly count: number;
  /** The greatest value of the column that decides, as SQL writes it. */
  readonly end: string | null;
}

/**
 * Deletes what the rooms say is over, once an hour, by any number of instances: in small batches, each a transaction of
 * its own that skips rows somebody else holds, so that no login or refresh ever waits for it.
 */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Sweeper.name);
  private readonly chores: Chore[] = [];
  private readonly refusing = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** Whose rows are swept. */
  get tables(): string[] {
    return this.chores.map(({ table }) => table);
  }

  /** From now on these rows are swept too. */
  add(chore: Chore): void {
    this.chores.push(chore);
  }

  onApplicationBootstrap(): void {
    // Not all instances at the same moment, though it would do no harm.
    this.schedule(FIRST_AFTER_MS * (1 + Math.random()));
  }

  onApplicationShutdown(): void {
    this.isStopping = true;
    clearTimeout(this.timer);
  }

  /** Deletes everything that is over now, and returns how many rows. What fails in a table is logged, and stays for later. */
  async sweep(): Promise<number> {
    let count = 0;
    for (const chore of this.chores) {
      const countBefore = count;
      let isFailure = true;
      try {
        let last: Batch | null = null;
        do {
          last = await this.deleteBatch(chore, last);
          count += last.count;
        } while (last.count === BATCH_ROWS && !this.isStopping);
        isFailure = false;
        this.refusing.delete(chore.table);
      } catch (error) {
        this.warn(chore, error);
      }
      tableSwept.record({ table: chore.table, rows: count - countBefore, isFailure });
    }
    return count;
  }

  private schedule(milliseconds: number): void {
    this.timer = setTimeout(() => void this.sweepAndSchedule(), milliseconds).unref();
  }

  private async sweepAndSchedule(): Promise<void> {
    const count = await this.sweep();
    this.logger.log(`Deleted ${count} rows whose time is over`);
    if (!this.isStopping) {
      this.schedule(EVERY_MS * (0.9 + 0.2 * Math.random()));
    }
  }

  /** A missing right is for a person to grant, or meant: said once, not every hour. */
  private warn({ table, isAppendOnly }: Chore, error: unknown): void {
    if (codeOf(error) !== INSUFFICIENT_PRIVILEGE) {
      this.logger.warn(`Could not delete from ${table} what is over, trying again later: ${String(error)}`);
    } else if (!this.refusing.has(table)) {
      this.refusing.add(table);
      const rights = isAppendOnly ? 'SELECT and DELETE' : 'SELECT, UPDATE and DELETE';
      this.logger.warn(
        `What is over in ${table} stays: that takes the rights to ${rights}, which the role of DATABASE_URL has not all.`,
      );
    }
  }

  private deleteBatch(
    { table, column, before, parameters, setting, isAppendOnly }: Chore,
    last: Batch | null,
  ): Promise<Batch> {
    // Where the last batch ended. What it deleted stays in the index until the next vacuum: read again by every batch of
    // a million rows, each would be slower than the one before.
    const from = last ? `AND ${column} >= $${parameters.length + 1}` : '';
    return this.dataSource.transaction(async (transaction) => {
      if (setting) {
        await transaction.query(`SELECT set_config($1, $2, true)`, [setting.name, setting.value]);
      }
      const [batch] = await transaction.query<[Batch]>(
        // By its place, which cannot change while the row is locked: found at once, whatever the key.
        `WITH deleted AS (
           DELETE FROM ${table} WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM ${table} WHERE ${column} < ${before} ${from} ORDER BY ${column} LIMIT ${BATCH_ROWS}
             ${isAppendOnly ? '' : 'FOR UPDATE SKIP LOCKED'}
           ))
           RETURNING ${column}
         )
         SELECT count(*)::integer AS count, max(${column})::text AS end FROM deleted`,
        last ? [...parameters, last.end] : [...parameters],
      );
      return batch;
    });
  }
}
