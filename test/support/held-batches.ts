import { Client } from 'pg';
import type { TestDatabase } from './database.js';

/** A transaction that has run a statement, and commits when it is released. */
export async function holdTransaction({ url }: Pick<TestDatabase, 'url'>, statement: string) {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('BEGIN');
  await client.query(statement);
  let isHeld = true;
  return {
    async release() {
      if (!isHeld) return;
      isHeld = false;
      await client.query('COMMIT');
      await client.end();
    },
  };
}

/** One that changes sessions. Until it commits no row of an incident that begins meanwhile is ended: it may have opened one of them. */
export const holdBatches = (
  database: Pick<TestDatabase, 'url'>,
  statement = 'UPDATE sessions SET ip = ip WHERE false',
) => holdTransaction(database, statement);
