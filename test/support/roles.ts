import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { TestDatabase } from './database.js';

const PASSWORD = 'of-a-role-in-a-test';

/** A role of a test's own, without any rights. */
export interface TestRole {
  readonly name: string;
  readonly url: string;
  /** With all that it owns, and all its rights. */
  drop(): Promise<void>;
}

export async function createRole(database: TestDatabase): Promise<TestRole> {
  const name = `latchkey_role_${randomBytes(6).toString('hex')}`;
  await database.query(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}'`);
  return {
    name,
    url: Object.assign(new URL(database.adminUrl), { username: name, password: PASSWORD }).href,
    async drop() {
      await database.query(`DROP OWNED BY ${name} CASCADE; DROP ROLE ${name}`);
    },
  };
}

/** Sends one statement on a connection of its own. Throws what the driver throws. */
export async function sendAs(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
