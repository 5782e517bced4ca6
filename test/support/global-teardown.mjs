import { rmSync } from 'node:fs';
import { Client } from 'pg';

export default async function globalTeardown() {
  const client = new Client({ connectionString: process.env.TEST_SERVER_URL });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${process.env.TEST_TEMPLATE} WITH (FORCE)`);
  await client.end();

  if (globalThis.embeddedPostgres) {
    await globalThis.embeddedPostgres.stop();
  }
  rmSync(process.env.TMPDIR, { recursive: true, force: true, maxRetries: 5 });
}
