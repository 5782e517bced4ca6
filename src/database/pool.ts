import type { Pool, PoolClient, QueryConfig, QueryResultRow } from 'pg';
import type { DataSource } from 'typeorm';
import type { HistoryCheck } from './history/history-check.js';
import { isConflict, retryOnConflict } from './retry-on-conflict.js';
import type { ServiceClientOptions } from './service-client.js';
import { type Answer, answerOf, Transaction } from './transaction.js';

/** The pool of connections that TypeORM keeps, which its types do not show. Throws where it is not connected. */
export function poolOf({ driver }: DataSource): Pool {
  const pool: unknown = 'master' in driver ? driver.master : null;
  if (!isPool(pool)) {
    throw new Error('The database is not connected.');
  }
  return pool;
}

const isPool = (value: unknown): value is Pool =>
  typeof value === 'object' && value !== null && 'waitingCount' in value;

/** What is remembered of the database of a pool; undefined for what is not to remember it, such as a command. */
export function historyOf(pool: Pool): HistoryCheck | undefined {
  const options: ServiceClientOptions = pool.options;
  return options.history;
}

/**
 * Runs one statement, as a transaction of its own, and again after a conflict. Throws what the driver throws, and
 * `DatabaseRefusedError` where the database is not to be served.
 */
export function sendTo<Row extends QueryResultRow>(pool: Pool, statement: QueryConfig): Promise<Answer<Row>> {
  return onConnection(pool, (client) => answerOf<Row>(client, statement));
}

/** The same for several statements, each a transaction of its own, on one connection. */
export function onConnection<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return retryOnConflict(async () => {
    historyOf(pool)?.requireIntact();
    const client = await pool.connect();
    try {
      const answer = await work(client);
      client.release();
      return answer;
    } catch (error) {
      // Closed, since what it has prepared may be of another schema, and it may be lost.
      client.release(!isConflict(error));
      throw error;
    }
  });
}

/** Runs work in one transaction of a pool, and again after a conflict. See `Database.transaction`. */
export async function transactionOn<T>(pool: Pool, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  const { transaction, result } = await retryOnConflict(() => runOnce(pool, work));
  transaction.runAfterCommit();
  return result;
}

async function runOnce<T>(pool: Pool, work: (transaction: Transaction) => Promise<T>) {
  historyOf(pool)?.requireIntact();
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    const transaction = new Transaction(client);
    const result = await work(transaction);
    await client.query('COMMIT');
    client.release();
    return { transaction, result };
  } catch (error) {
    await rollBack(client);
    throw error;
  }
}

async function rollBack(client: PoolClient): Promise<void> {
  try {
    await client.query('ROLLBACK');
    client.release();
  } catch {
    // Closed: the server rolls back what a lost connection leaves.
    client.release(true);
  }
}
