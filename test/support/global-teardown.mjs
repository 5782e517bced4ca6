import { rmSync } from 'node:fs';
import { Client } from 'pg';

export default async function globalTeardown() {
  const client = new Client({ connectionString: process.env.TEST_SERVER_URL });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${process.env.TEST_TEMPLATE} WITH (FORCE)`);
  // What a test that failed left behind may still refer to them.
  for (const role of [process.env.TEST_OWNER, process.env.TEST_RUNTIME]) {
    await client.query(`DROP ROLE IF EXISTS ${role}`).catch(() => undefined);
  }
  await client.end();

  if (globalThis.embeddedPostgres) {
    await globalThis.embeddedPostgres.stop();
  }
  rmSync(process.env.TMPDIR, { recursive: true, force: true, maxRetries: 5 });
}
