import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config/load-config.js';
import { databaseOptions } from '../../src/database/database-options.js';
import { migrate } from '../../src/database/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { SECRETS } from '../support/secrets.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';

const run = promisify(execFile);
const CLI = ['node_modules/tsx/dist/cli.mjs', 'node_modules/typeorm/cli.js'];

/** The TypeORM command line as the npm scripts call it. */
async function typeorm(command: string, url: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [...CLI, command, '-d', 'ormconfig.ts', ...args], {
    env: { PATH: process.env['PATH'], DATABASE_URL: url },
  });
  return stdout;
}

const tablesOf = async (of: TestDatabase): Promise<string[]> =>
  (
    await of.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
    )
  ).map(({ name }) => name);

const TABLES = [
  'audit_events',
  'email_changes',
  'known_devices',
  'mailed_tokens',
  'mails',
  'migrations',
  'rate_limits',
  'sessions',
  'stream_watches',
  'users',
];
let database: TestDatabase;

afterEach(() => database.drop());

it('lets instances start together on an empty database: one migrates, all serve', async () => {
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

it('runs once, however many ask at the same moment', async () => {
  database = await createDatabase({ isEmpty: true });
  const config = loadConfig({ ...SECRETS, DATABASE_URL: database.url });
  const ran = await Promise.all(Array.from({ length: 8 }, () => migrate(databaseOptions(config))));
  expect(ran.map((names) => names.length).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 0, 0, migrations.length]);
});

it('finds nothing to do at the next start, and keeps what is there', async () => {
  database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  const first = await startInstance({ env });
  const { accessToken } = await first.api.signUp();
  await first.kill('SIGTERM');
  const second = await startInstance({ env });
  expect((await second.api.me(accessToken)).status).toBe(200);
  await second.kill('SIGTERM');
});

it('runs and reverts migrations from the command line', async () => {
  database = await createDatabase({ isEmpty: true });
  await typeorm('migration:run', database.url);
  expect(await tablesOf(database)).toEqual(TABLES);
  for (let left = migrations.length; left > 0; left--) await typeorm('migration:revert', database.url);
  expect(await tablesOf(database)).toEqual(['migrations']);
  expect(await database.query(`SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`)).toEqual([]);
  await typeorm('migration:run', database.url);
  expect(await tablesOf(database)).toEqual(TABLES);
}, 180_000);

it('makes with migrations what the entities describe', async () => {
  database = await createDatabase();
  await expect(typeorm('migration:generate', database.url, '--check', 'check')).resolves.toContain('No changes');

  await database.query('ALTER TABLE sessions ALTER COLUMN ip DROP NOT NULL');
  await expect(typeorm('migration:generate', database.url, '--check', 'check')).rejects.toMatchObject({ code: 1 });
}, 60_000);

it.each([
  ['UPDATE', `UPDATE audit_events SET outcome = 'failure'`],
  ['DELETE', 'DELETE FROM audit_events'],
  ['TRUNCATE', 'TRUNCATE audit_events'],
])('keeps the audit trail from %s, even by a superuser who switched triggers off', async (_, statement) => {
  database = await createDatabase();
  await database.query(`INSERT INTO audit_events (type, outcome) VALUES ('login_failed', 'failure')`);
  for (const role of ['origin', 'replica']) {
    await expect(database.query(`SET session_replication_role = ${role}; ${statement}`)).rejects.toThrow('append-only');
  }
  expect(await database.query('SELECT outcome FROM audit_events')).toEqual([{ outcome: 'failure' }]);
});
