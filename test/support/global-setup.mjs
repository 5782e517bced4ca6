import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';

const TEMPLATE = `latchkey_template_${process.pid}`;

/**
 * Makes a folder for what tests write, compiles the service, starts a PostgreSQL (or takes the one of TEST_DATABASE_URL)
 * and migrates a template database, of which every test file gets a copy.
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

  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${TEMPLATE}`);
  await client.query(`CREATE DATABASE ${TEMPLATE}`);
  await client.end();

  const { migrate } = await import('../../dist/database/migrate.js');
  const { databaseOptions } = await import('../../dist/database/database-options.js');
  const { AppConfig } = await import('../../dist/config/config.js');
  const { onDatabase } = await import('../../dist/config/load-config.js');
  const templateUrl = new URL(url);
  templateUrl.pathname = `/${TEMPLATE}`;
  await migrate(databaseOptions(onDatabase(new AppConfig(), templateUrl.href)));
}
