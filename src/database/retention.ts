import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import sql, { empty, raw, type Sql } from 'sql-template-tag';
import { codeOf } from '../problems/error-code.js';
import { tableCleaned } from './database.measurements.js';
import { Database } from './database.js';

const FIRST_AFTER_MS = 60_000;
const EVERY_MS = 3_600_000;
const BATCH_ROWS = 1000;
const INSUFFICIENT_PRIVILEGE = '42501';

/** Which rows of a table are kept no longer. */
export interface RetentionRule {
  readonly table: string;
  /** The column that decides. An index must begin with it: the oldest rows are found there, and go first. */
  readonly column: string;
  /** Rows are deleted whose column is less than this. */
  readonly before: Sql;
  /** A setting that the deleting transaction carries, for triggers that check it. */
  readonly setting?: { readonly name: string; readonly value: string };
  /** Its rows never change, so they need not be locked before they go: that would take the right to UPDATE them. */
  readonly isAppendOnly?: boolean;
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
  private readonly rules: RetentionRule[] = [];
  private readonly refusing = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private isStopping = false;

  constructor(private readonly database: Database) {}

  /** The tables that rows are deleted from. */
  get tables(): string[] {
    return this.rules.map(({ table }) => table);
  }

  /** From now on this rule applies too. */
  add(rule: RetentionRule): void {
    this.rules.push(rule);
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
    for (const rule of this.rules) {
      count += await this.clean(rule);
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

  private async clean(rule: RetentionRule): Promise<number> {
    let [rows, isFailure] = [0, false];
    try {
      let last: Batch | null = null;
      do {
        last = await this.deleteBatch(rule, last);
        rows += last.count;
      } while (last.count === BATCH_ROWS && !this.isStopping);
      this.refusing.delete(rule.table);
    } catch (error) {
      isFailure = true;
      this.warn(rule, error);
    }
    tableCleaned.record({ table: rule.table, rows, isFailure });
    return rows;
  }

  /** A missing right is granted by a person, or withheld on purpose: it is logged once, not every hour. */
  private warn({ table, isAppendOnly }: RetentionRule, error: unknown): void {
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

  private deleteBatch(rule: RetentionRule, last: Batch | null): Promise<Batch> {
    const { setting } = rule;
    return this.database.transaction(async (transaction) => {
      if (setting) {
        await transaction.query(sql`SELECT set_config(${setting.name}, ${setting.value}, true)`);
      }
      const { rows } = await transaction.query<Batch>(deletionOf(rule, last));
      return rows[0] ?? { count: 0, end: null };
    });
  }
}

function deletionOf({ table, column, before, isAppendOnly }: RetentionRule, last: Batch | null): Sql {
  const [from, decider] = [raw(table), raw(column)];
  // Where the last batch ended. What it deleted stays in the index until the next vacuum: read again by every batch of
  // a million rows, each would be slower than the one before.
  const rest = last ? sql`AND ${decider} >= ${last.end}` : empty;
  // By its place, which cannot change while the row is locked: found at once, whatever the key.
  return sql`WITH deleted AS (
      DELETE FROM ${from} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM ${from} WHERE ${decider} < ${before} ${rest} ORDER BY ${decider} LIMIT ${BATCH_ROWS}
        ${isAppendOnly ? empty : sql`FOR UPDATE SKIP LOCKED`}
      ))
      RETURNING ${decider}
    )
    SELECT count(*)::integer AS count, max(${decider})::text AS end FROM deleted`;
}
