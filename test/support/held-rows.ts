import { Client } from 'pg';
import type { TestDatabase } from './database.js';
import { until } from './until.js';

type Where = Pick<TestDatabase, 'adminUrl' | 'query'>;
type Lock = 'FOR UPDATE' | 'FOR NO KEY UPDATE';

export const holdUsers = (database: Where, ids: readonly string[], lock: Lock = 'FOR UPDATE') =>
  holdRows(database, 'users', ids, lock);

export const holdSessions = (database: Where, ids: readonly string[]) =>
  holdRows(database, 'sessions', ids, 'FOR UPDATE');

/**
 * Holds some rows until they are released, for what has to happen at the same moment. `waiting` answers the statements
 * that wait, once there are `count`: those alone whose text has `words`, for a mail's link waits for its user too.
 */
async function holdRows(database: Where, table: 'users' | 'sessions', ids: readonly string[], lock: Lock) {
  const client = new Client({ connectionString: database.adminUrl });
  await client.connect();
  await client.query('BEGIN');
  await client.query(`SELECT FROM ${table} WHERE id = ANY($1::uuid[]) ${lock}`, [ids]);
  let isHeld = true;
  return {
    waiting: (words: string, count: number) =>
      until(`${count} of ${words} wait`, async () => {
        const waiting = await database.query<{ query: string }>(
          `SELECT query FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock' AND strpos(query, $1) > 0`,
          [words],
        );
        return waiting.length >= count && waiting.map(({ query }) => query);
      }),
    async release() {
      if (isHeld) await client.end();
      isHeld = false;
    },
  };
}
