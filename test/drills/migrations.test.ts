import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client } from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { loadConfig } from '../../src/config/load-config.js';
import { databaseOptions } from '../../src/database/database-options.js';
import { migrate, revertLast } from '../../src/database/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { grantRights } from '../../src/database/roles/grant-rights.js';
import { SECRETS } from '../support/secrets.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { runMigrate } from '../support/migrate.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
const CLI = ['node_modules/tsx/dist/cli.mjs', 'node_modules/typeorm/cli.js'];

/** The TypeORM command line as the npm scripts call it. */
async function typeorm(command: string, url: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [...CLI, command, '-d', 'ormconfig.ts', ...args], {
    env: { PATH: process.env['PATH'], DATABASE_URL: url },
  });
  return stdout;
}

const optionsOf = ({ ownerUrl }: TestDatabase) => databaseOptions(loadConfig({ ...SECRETS, DATABASE_URL: ownerUrl }));

const tablesOf = async (of: TestDatabase): Promise<string[]> =>
  (
    await of.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class
       WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1`,
    )
  ).map(({ name }) => name);

const TABLES = [
  'audit_events',
  'database_history',
  'deliveries',
  'email_changes',
  'incidents',
  'known_devices',
  'mailed_tokens',
  'mails',
  'migrations',
  'rate_limits',
  'receivers',
  'service_client_secrets',
  'service_clients',
  'service_processes',
  'session_expiries',
  'sessions',
  'signing_keys',
  'stream_watches',
  'users',
];
let database: TestDatabase;

afterEach(() => database.drop());

it('Instances that start together on an empty database migrate it once, and all serve', async () => {
  database = await createDatabase({ isEmpty: true });
  const env = { DATABASE_URL: database.url };
  const instances = await Promise.all([1, 2, 3].map(() => startInstance({ env })));
  try {
    expect(await tablesOf(database)).toEqual(TABLES);
    expect(await database.query('SELECT name FROM migrations')).toHaveLength(migrations.length);
    const { accessToken } = await instances[0]!.api.signUp();
    const answers = await Promise.all(instances.map(({ api }) => api.me(accessToken)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  } finally {
    await Promise.all(instances.map((instance: Instance) => instance.kill('SIGKILL')));
  }
}, 60_000);

it('Migrations run once, however many callers ask at the same moment', async () => {
  database = await createDatabase({ isEmpty: true });
  const ran = await Promise.all(Array.from({ length: 8 }, () => migrate(optionsOf(database))));
  expect(ran.map((names) => names.length).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 0, 0, migrations.length]);
});

it('A restart on a migrated database keeps the sessions that are there', async () => {
  database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  const first = await startInstance({ env });
  const { accessToken } = await first.api.signUp();
  await first.kill('SIGTERM');
  const second = await startInstance({ env });
  expect((await second.api.me(accessToken)).status).toBe(200);
  await second.kill('SIGTERM');
});

it('The TypeORM command line runs and reverts all migrations', async () => {
  database = await createDatabase({ isEmpty: true });
  await typeorm('migration:run', database.url);
  expect(await tablesOf(database)).toEqual(TABLES);
  await typeorm('migration:revert', database.url);
  // The others in this process: each start of the command line takes seconds.
  for (let left = migrations.length - 1; left > 0; left--) await revertLast(optionsOf(database));
  expect(await tablesOf(database)).toEqual(['migrations']);
  expect(await database.query(`SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`)).toEqual([]);
  await typeorm('migration:run', database.url);
  expect(await tablesOf(database)).toEqual(TABLES);
}, 180_000);

it('The compiled migrate command runs and reverts migrations with nothing but DATABASE_URL', async () => {
  database = await createDatabase({ isEmpty: true });
  expect(await runMigrate(database.url)).toContain(`Migrations: ${migrations.map(({ name }) => name).join(', ')}`);
  expect(await runMigrate(database.url)).toContain('The schema is up to date.');
  await runMigrate(database.url, '--revert');
  expect(await runMigrate(database.url)).toContain(`Migrations: ${migrations.at(-1)!.name}\n`);
}, 60_000);

it('A migration that waits for a table in long use lets requests pass meanwhile', async () => {
  database = await createDatabase();
  const instance = await startInstance({ env: { DATABASE_URL: database.url } });
  const { accessToken } = await instance.api.signUp();
  const reader = new Client({ connectionString: database.adminUrl });
  await reader.connect();
  // As a long SELECT does: its lock is held until its transaction ends.
  await reader.query('BEGIN; SELECT count(*) FROM sessions');

  let tries = 0;
  class AddNote1999999999999 implements MigrationInterface {
    readonly name = 'AddNote1999999999999';
    async up(runner: QueryRunner): Promise<void> {
      tries++;
      await runner.query('ALTER TABLE sessions ADD COLUMN note text');
    }
    async down(): Promise<void> {}
  }
  const migrating = migrate({ ...optionsOf(database), migrations: [...migrations, AddNote1999999999999] });
  const statuses = new Set<number>();
  try {
    await until('it has tried three times', async () => {
      statuses.add((await instance.api.me(accessToken)).status);
      return tries >= 3;
    });
    expect([...statuses]).toEqual([200]);
  } finally {
    await reader.end();
    await migrating;
    await instance.kill('SIGTERM');
  }
}, 60_000);

it('The service answers 503 while the schema lacks a migration, and serves again once it is there', async () => {
  database = await createDatabase();
  const instance = await startInstance({ env: { DATABASE_URL: database.url } });
  const { api } = instance;
  const { refreshToken } = await api.signUp();
  const isReady = async () => (await api.call('GET', '/health/ready')).status;
  try {
    // A refresh asks for this table.
    while ((await tablesOf(database)).includes('stream_watches')) await revertLast(optionsOf(database));
    expect(await isReady()).toBe(503);
    const refused = await api.refresh(refreshToken);
    expect([refused.status, refused.body.code]).toEqual([503, 'service_unavailable']);
    expect(instance.output()).toContain('The database lacks NotifySessionNews1795400000000');

    await migrate(optionsOf(database));
    await grantRights(optionsOf(database), process.env['TEST_RUNTIME']!);
    await until('it is ready again', async () => (await isReady()) === 200);
    expect((await api.refresh(refreshToken)).status).toBe(200);

    // What fails in a schema that is the right one is a mistake, and called so.
    await database.query('ALTER TABLE stream_watches RENAME TO elsewhere');
    expect((await api.refresh(refreshToken)).status).toBe(500);
  } finally {
    await instance.kill('SIGTERM');
  }
}, 60_000);

it('The service goes on, and starts, on the schema of a later release', async () => {
  database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  const running = await startInstance({ env });
  await database.query(`INSERT INTO migrations (timestamp, name) VALUES (1999999999999, 'AddLater1999999999999')`);
  expect((await running.api.call('GET', '/health/ready')).status).toBe(200);
  const started = await startInstance({ env });
  expect((await started.api.call('GET', '/health/ready')).status).toBe(200);
  await Promise.all([running, started].map((instance) => instance.kill('SIGTERM')));
}, 60_000);

it('The migrations make the schema that the entities describe', async () => {
  database = await createDatabase();
  await expect(typeorm('migration:generate', database.ownerUrl, '--check', 'check')).resolves.toContain('No changes');

  await database.query('ALTER TABLE sessions ALTER COLUMN ip DROP NOT NULL');
  await expect(typeorm('migration:generate', database.ownerUrl, '--check', 'check')).rejects.toMatchObject({ code: 1 });
}, 60_000);

it.each([
  ['UPDATE', `UPDATE audit_events SET outcome = 'failure'`],
  ['DELETE', 'DELETE FROM audit_events'],
  ['TRUNCATE', 'TRUNCATE audit_events'],
])('The audit trail refuses %s, even by a superuser who switched triggers off', async (_, statement) => {
  database = await createDatabase();
  await database.query(`INSERT INTO audit_events (type, outcome) VALUES ('login_failed', 'failure')`);
  for (const role of ['origin', 'replica']) {
    await expect(database.query(`SET session_replication_role = ${role}; ${statement}`)).rejects.toThrow('append-only');
  }
  expect(await database.query('SELECT outcome FROM audit_events')).toEqual([{ outcome: 'failure' }]);
});
