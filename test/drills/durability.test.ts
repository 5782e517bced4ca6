import { Client } from 'pg';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { type OwnPostgres, startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

// A PostgreSQL of its own, whose settings these tests change. The service has a role without privileges.
let postgres: OwnPostgres;
let admin: Client;
let databaseUrl: string;
const instances: Instance[] = [];

async function connect(options: object = {}): Promise<Client> {
  const client = new Client({ connectionString: postgres.url, ...options });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function set(...changes: readonly string[]): Promise<void> {
  for (const change of changes) await admin.query(`ALTER SYSTEM ${change}`);
  await admin.query('SELECT pg_reload_conf()');
  await until('they are set', async () => {
    const { rows } = await admin.query<{ applied: boolean }>(
      'SELECT bool_and(applied) AS applied FROM pg_file_settings',
    );
    return rows[0]?.applied ?? true;
  });
}

/** What an instance says that is started now: in its log, to a load balancer and to Prometheus. */
async function said() {
  const METRICS_PORT = String(await freePort());
  const production = { NODE_ENV: 'production', COOKIE_SECURE: 'false' };
  const instance = await startInstance({
    env: { DATABASE_URL: databaseUrl, METRICS_PORT, LOG_LEVEL: 'info', ...production },
  });
  instances.push(instance);
  const { status, body } = await instance.api.call('GET', '/health/ready');
  const metrics = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
  return {
    ready: [status, body.durabilityRisks],
    count: Number(/^latchkey_durability_risks (\d+)$/m.exec(metrics)?.[1]),
    warnings: instance
      .output()
      .split('\n')
      .filter((line) => line.includes('may be undone')),
  };
}

beforeAll(async () => {
  postgres = await startPostgres();
  admin = await connect();
  await admin.query(`CREATE ROLE plain LOGIN PASSWORD 'its-secret'`);
  await admin.query('CREATE DATABASE plain OWNER plain');
  databaseUrl = Object.assign(new URL(postgres.url), {
    username: 'plain',
    password: 'its-secret',
    pathname: '/plain',
  }).href;
}, 60_000);

afterAll(async () => {
  await Promise.all(instances.map((instance) => instance.kill('SIGTERM')));
  await admin?.end();
  await postgres?.stop();
}, 60_000);

it('On a database that keeps what it commits the service warns of nothing', async () => {
  expect(await said()).toEqual({ ready: [200, []], count: 0, warnings: [] });
});

it('Settings that may lose a logout in a crash are named at start and by readiness, and counted, and it is ready', async () => {
  await set('SET fsync = off', 'SET full_page_writes = off');
  await admin.query('ALTER ROLE plain SET synchronous_commit = off');
  expect(await said()).toEqual({
    ready: [200, ['fsync', 'full_page_writes', 'synchronous_commit']],
    count: 3,
    warnings: [expect.stringMatching(/fsync is off.*full_page_writes is off.*synchronous_commit is off/)],
  });
  await set('RESET fsync', 'RESET full_page_writes');
  await admin.query('ALTER ROLE plain RESET synchronous_commit');
});

it('A standby that no commit waits for is named, and so is a role whose commits do not wait for it', async () => {
  // As a standby does; what it would ask for next does not matter.
  const standby = await connect({ replication: 'true' });
  expect((await said()).ready).toEqual([200, ['synchronous_standby_names']]);

  await set(`SET synchronous_standby_names = '*'`);
  await admin.query('SET synchronous_commit = local');
  await admin.query('ALTER ROLE plain SET synchronous_commit = local');
  expect((await said()).ready).toEqual([200, ['synchronous_commit']]);
  await standby.end();
  await set('RESET synchronous_standby_names');
});
