import { Client } from 'pg';
import type { TestDatabase } from './database.js';
import { until } from './until.js';

/**
 * Holds the rows of some users until it is released, for what has to happen at the same moment. `count` statements wait
 * when `waiting` resolves: those alone whose text has `words`, for a mail's link waits for its user too.
 */
export async function holdUsers(
  database: TestDatabase,
  ids: readonly string[],
  lock: 'FOR UPDATE' | 'FOR NO KEY UPDATE' = 'FOR UPDATE',
) {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN');
  await client.query(`SELECT FROM users WHERE id = ANY($1::uuid[]) ${lock}`, [ids]);
  let isHeld = true;
  return {
    waiting: (words: string, count: number) =>
      until(`${count} of ${words} wait`, async () => {
        const waiting = await database.query(
          `SELECT FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock' AND strpos(query, $1) > 0`,
          [words],
        );
        return waiting.length === count;
      }),
    async release() {
      if (isHeld) await client.end();
      isHeld = false;
    },
  };
}
