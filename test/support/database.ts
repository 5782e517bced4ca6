import { randomBytes } from 'node:crypto';
import { Client, Pool, type QueryResultRow } from 'pg';

/** A database of a test file's own, and a door into it beside the service's. */
export interface TestDatabase {
  readonly url: string;
  query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** A copy of the migrated template; `isEmpty`: without any tables. */
export async function createDatabase({ isEmpty = false } = {}): Promise<TestDatabase> {
  const serverUrl = process.env['TEST_SERVER_URL']!;
  const name = `latchkey_${randomBytes(6).toString('hex')}`;
  const template = isEmpty ? 'template0' : process.env['TEST_TEMPLATE']!;
  await onServer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);

  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = new Pool({ connectionString: url.href, max: 3 });
  pool.on('error', () => undefined);
  return {
    url: url.href,
    async query(sql, values) {
      return (await pool.query(sql, values)).rows;
    },
    async drop() {
      await pool.end();
      await onServer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
