import { randomBytes } from 'node:crypto';
import { Client, Pool, type QueryResultRow } from 'pg';

/** A database of a test file's own, and a door into it beside the service's. */
export interface TestDatabase {
  /** As the role that serves: it owns nothing, and has the rights of src/database/roles/grants.sql. */
  readonly url: string;
  /** As the role that owns the database and its tables: for migrations. */
  readonly ownerUrl: string;
  /** As a superuser: for connections of a test's own. */
  readonly adminUrl: string;
  /** As that one. */
  query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** A copy of the migrated template; `isEmpty`: without any tables, so that what serves has to migrate, and is the owner. */
export async function createDatabase({ isEmpty = false } = {}): Promise<TestDatabase> {
  const serverUrl = process.env['TEST_SERVER_URL']!;
  const name = `latchkey_${randomBytes(6).toString('hex')}`;
  const source = isEmpty
    ? 'TEMPLATE template0'
    : `OWNER ${process.env['TEST_OWNER']} TEMPLATE ${process.env['TEST_TEMPLATE']}`;
  await onServer(serverUrl, `CREATE DATABASE ${name} ${source}`);

  const adminUrl = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
  const pool = new Pool({ connectionString: adminUrl, max: 3 });
  pool.on('error', () => undefined);
  const urlAs = (role: string) =>
    isEmpty
      ? adminUrl
      : Object.assign(new URL(adminUrl), { username: role, password: process.env['TEST_ROLE_PASSWORD'] }).href;
  return {
    url: urlAs(process.env['TEST_RUNTIME']!),
    ownerUrl: urlAs(process.env['TEST_OWNER']!),
    adminUrl,
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
