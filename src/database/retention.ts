import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import sql, { empty, raw, type Sql } from 'sql-template-tag';
import { codeOf } from '../problems/error-code.js';
import { tableCleaned } from './database.measurements.js';
import { Database } from './database.js';

const FIRST_AFTER_MS = 60_000;
const EVERY_MS = 3_600_000;
export const BATCH_ROWS = 1000;
const INSUFFICIENT_PRIVILEGE = '42501';

/** Which rows of a table are kept no longer. */
export interface RetentionRule {
  readonly table: string;
  /** The column that decides. An index must begin with it: the oldest rows are found there, and go first. */
  readonly column: string;
  /** Rows are deleted whose column is less than this. */
  readonly before: Sql;
}

/** How a table whose rows go in a way of their own is cleaned. */
export interface RetentionTask {
  readonly table: string;
  /** What is so where it fails, and the rights that it takes: for the log. */
  readonly otherwise: string;
  readonly rights: string;
  /** Does what is due, one portion at a time, each in a transaction of its own. Yields how many rows went. */
  readonly portions: () => AsyncIterable<number>;
}

interface Batch {
  readonly count: number;
  /** The greatest value of the column that decides, as SQL writes it. */
  readonly end: string | null;
}

/**
 * Deletes what is kept no longer, once an hour, by any number of instances: in small batches, each a transaction of its
 * own that skips locked rows, so that no login or refresh ever waits for it.
 */
@Injectable()
export class Retention implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Retention.name);
  private readonly tasks: RetentionTask[] = [];
  private readonly refusing = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(private readonly database: Database) {}

  /** The tables that rows are deleted from. */
  get tables(): string[] {
    return this.tasks.map(({ table }) => table);
  }

  /** From now on this rule applies too. */
  add(rule: RetentionRule): void {
    this.addTask({
      table: rule.table,
      otherwise: `What is over in ${rule.table} stays`,
      rights: 'SELECT, UPDATE and DELETE',
      portions: () => this.batchesOf(rule),
    });
  }

  /** From now on this is done too. */
  addTask(task: RetentionTask): void {
    this.tasks.push(task);
  }

  onApplicationBootstrap(): void {
    // Not all instances at the same moment, though it would do no harm.
    this.schedule(FIRST_AFTER_MS * (1 + Math.random()));
  }

  onApplicationShutdown(): void {
    this.isStopping = true;
    clearTimeout(this.timer);
  }

  /** Deletes all that is due now, and returns how many rows. What fails in a table is logged, and stays for later. */
  async deleteDue(): Promise<number> {
    let count = 0;
    for (const task of this.tasks) {
      count += await this.clean(task);
    }
    return count;
  }

  private schedule(milliseconds: number): void {
    this.timer = setTimeout(() => void this.deleteAndSchedule(), milliseconds).unref();
  }

  private async deleteAndSchedule(): Promise<void> {
    const count = await this.deleteDue();
    this.logger.log(`Deleted ${count} rows whose time is over`);
    if (!this.isStopping) {
      this.schedule(EVERY_MS * (0.9 + 0.2 * Math.random()));
    }
  }

  private async clean(task: RetentionTask): Promise<number> {
    let [rows, isFailure] = [0, false];
    try {
      for await (const portion of task.portions()) {
        rows += portion;
        if (this.isStopping) break;
      }
      this.refusing.delete(task.table);
    } catch (error) {
      isFailure = true;
      this.warn(task, error);
    }
    tableCleaned.record({ table: task.table, rows, isFailure });
    return rows;
  }

  /** A missing right is granted by a person, or withheld on purpose: it is logged once, not every hour. */
  private warn({ table, otherwise, rights }: RetentionTask, error: unknown): void {
    if (codeOf(error) !== INSUFFICIENT_PRIVILEGE) {
      this.logger.warn(`${otherwise}, until it is tried again: ${String(error)}`);
    } else if (!this.refusing.has(table)) {
      this.refusing.add(table);
      this.logger.warn(`${otherwise}: that takes the rights to ${rights}, which the role of DATABASE_URL has not all.`);
    }
  }

  private async *batchesOf(rule: RetentionRule): AsyncGenerator<number> {
    let last: Batch | null = null;
    do {
      const { rows }: { rows: Batch[] } = await this.database.query<Batch>(deletionOf(rule, last));
      last = rows[0] ?? { count: 0, end: null };
      yield last.count;
    } while (last.count === BATCH_ROWS);
  }
}

function deletionOf({ table, column, before }: RetentionRule, last: Batch | null): Sql {
  const [from, decider] = [raw(table), raw(column)];
  // Where the last batch ended. What it deleted stays in the index until the next vacuum: read again by every batch of
  // a million rows, each would be slower than the one before.
  const rest = last ? sql`AND ${decider} >= ${last.end}` : empty;
  // By its place, which cannot change while the row is locked: found at once, whatever the key. A table with parts has no
  // rule, since each part has its own places.
  return sql`WITH deleted AS (
      DELETE FROM ${from} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM ${from} WHERE ${decider} < ${before} ${rest} ORDER BY ${decider} LIMIT ${BATCH_ROWS}
        FOR UPDATE SKIP LOCKED
      ))
      RETURNING ${decider}
    )
    SELECT count(*)::integer AS count, max(${decider})::text AS end FROM deleted`;
}
