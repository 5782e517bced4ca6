import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';

const TEMPLATE = `latchkey_template_${process.pid}`;
// As in production: one role owns the tables, and another one serves.
const OWNER = `latchkey_owner_${process.pid}`;
const RUNTIME = `latchkey_runtime_${process.pid}`;
const PASSWORD = 'of-roles-in-tests';

/**
 * Makes a folder for what tests write, compiles the service, starts a PostgreSQL (or takes the one of TEST_DATABASE_URL)
 * and migrates a template database, of which every test file gets a copy, with the rights of
 * src/database/roles/grants.sql for the role that serves.
 */
export default async function globalSetup() {
  // One folder for whatever this run writes, removed at its end. Servers that tests start as other users write there too.
  process.env.TMPDIR = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  chmodSync(process.env.TMPDIR, 0o1777);

  execFileSync(process.execPath, ['node_modules/@nestjs/cli/bin/nest.js', 'build'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });

  let url = process.env.TEST_DATABASE_URL;
  if (!url) {
    const { startEmbeddedPostgres } = await import('../../dist/database/embedded/embedded-postgres.js');
    const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
    globalThis.embeddedPostgres = await startEmbeddedPostgres({ dataDir, isDurable: false });
    url = globalThis.embeddedPostgres.url;
  }
  process.env.TEST_SERVER_URL = url;
  process.env.TEST_TEMPLATE = TEMPLATE;
  process.env.TEST_OWNER = OWNER;
  process.env.TEST_RUNTIME = RUNTIME;
  process.env.TEST_ROLE_PASSWORD = PASSWORD;

  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${TEMPLATE}`);
  for (const role of [OWNER, RUNTIME]) {
    await client.query(`DROP ROLE IF EXISTS ${role}`);
    await client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
  }
  await client.query(`CREATE DATABASE ${TEMPLATE} OWNER ${OWNER}`);
  await client.end();

  const { migrate } = await import('../../dist/database/migrate.js');
  const { grantRights } = await import('../../dist/database/roles/grant-rights.js');
  const { databaseOptions } = await import('../../dist/database/database-options.js');
  const { AppConfig } = await import('../../dist/config/config.js');
  const { onDatabase } = await import('../../dist/config/load-config.js');
  const templateUrl = Object.assign(new URL(url), { pathname: `/${TEMPLATE}`, username: OWNER, password: PASSWORD });
  const options = databaseOptions(onDatabase(new AppConfig(), templateUrl.href));
  await migrate(options);
  await grantRights(options, RUNTIME);
}
