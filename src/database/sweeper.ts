import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';

const FIRST_AFTER_MS = 60_000;
const EVERY_MS = 3_600_000;
const BATCH_ROWS = 1000;

/** Rows whose time is over, and how to find them. */
export interface Chore {
  readonly table: string;
  /** SQL over the table's columns, with parameters from $1. */
  readonly isOver: string;
  readonly parameters: readonly unknown[];
  /** A setting that the deleting transaction carries, for triggers that ask who deletes. */
  readonly setting?: { readonly name: string; readonly value: string };
}

/**
 * Deletes what the rooms say is over, once an hour, by any number of instances: in small batches, each a transaction of
 * its own that skips rows somebody else holds, so that no login or refresh ever waits for it.
 */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Sweeper.name);
  private readonly chores: Chore[] = [];
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

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

  /** Deletes everything that is over now. Returns how many rows. Throws what the database throws; the rest stays for later. */
  async sweep(): Promise<number> {
    let count = 0;
    for (const chore of this.chores) {
      for (let batch = BATCH_ROWS; batch === BATCH_ROWS && !this.isStopping; count += batch) {
        batch = await this.deleteBatch(chore);
      }
    }
    return count;
  }

  private schedule(milliseconds: number): void {
    this.timer = setTimeout(() => void this.sweepAndSchedule(), milliseconds).unref();
  }

  private async sweepAndSchedule(): Promise<void> {
    try {
      const count = await this.sweep();
      this.logger.log(`Deleted ${count} rows whose time is over`);
    } catch (error) {
      this.logger.warn(`Could not delete everything whose time is over, trying again later: ${String(error)}`);
    }
    if (!this.isStopping) {
      this.schedule(EVERY_MS * (0.9 + 0.2 * Math.random()));
    }
  }

  private deleteBatch({ table, isOver, parameters, setting }: Chore): Promise<number> {
    return this.dataSource.transaction(async (transaction) => {
      if (setting) {
        await transaction.query(`SELECT set_config($1, $2, true)`, [setting.name, setting.value]);
      }
      const [, count] = await transaction.query<[unknown[], number]>(
        // By its place, which cannot change while the row is locked: found at once, whatever the key.
        `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM ${table} WHERE ${isOver} LIMIT ${BATCH_ROWS} FOR UPDATE SKIP LOCKED
         ))`,
        [...parameters],
      );
      return count;
    });
  }
}
