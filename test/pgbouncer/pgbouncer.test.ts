import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { migrations } from '../../src/database/migrations/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { EventStream } from '../support/event-stream.js';
import { freePort } from '../support/free-port.js';
import { expectInvariants } from '../support/invariants.js';
import { type Instance, spawnInstance, startInstance } from '../support/instance.js';
import { startPostgres } from '../support/postgres.js';
import { PostgresCluster } from '../support/postgres-cluster.js';
import { until } from '../support/until.js';

// Debian's PgBouncer, set up as its package has it: nothing of what a client asks for is ignored.
let database: TestDatabase;
let pooler: { url: string; stop: () => Promise<void> };
const instances: Instance[] = [];

async function startPgBouncer(mode: 'session' | 'transaction' | 'statement', poolSize: number, to = database.url) {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-pgbouncer-'));
  const { hostname, port, username, password } = new URL(to);
  const own = await freePort();
  writeFileSync(join(folder, 'users'), `"${username}" "${password}"\n`);
  writeFileSync(
    join(folder, 'ini'),
    `[databases]
     * = host=${hostname} port=${port}
     [pgbouncer]
     listen_addr = 127.0.0.1
     listen_port = ${own}
     unix_socket_dir =
     auth_type = trust
     auth_file = ${folder}/users
     pool_mode = ${mode}
     default_pool_size = ${poolSize}`.replaceAll(/^ +/gm, ''),
  );
  // It refuses to be root.
  chmodSync(folder, 0o755);
  const asNobody = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child: ChildProcess = spawn('/usr/sbin/pgbouncer', ['-q', ...asNobody, join(folder, 'ini')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = Object.assign(new URL(to), { hostname: '127.0.0.1', port: String(own) }).href;
  await until('it answers', async () => {
    const client = new Client({ connectionString: url });
    client.on('error', () => undefined);
    return client.connect().then(
      () => client.end().then(() => true),
      () => false,
    );
  });
  return {
    url,
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true });
    },
  };
}

/** As src/process/README.md says, for what no connection can be set to. */
async function limitTimeOfRole(): Promise<void> {
  const { username, pathname } = new URL(database.url);
  for (const name of ['statement_timeout', 'idle_in_transaction_session_timeout']) {
    await database.query(`ALTER ROLE ${username} IN DATABASE ${pathname.slice(1)} SET ${name} = 3000`);
  }
}

async function start(env: Record<string, string>): Promise<Instance> {
  // What is shown here is who is served, on a machine that may be busy, and not how fast.
  const patience = { SESSION_CHECK_TIMEOUT_MS: '20000', DATABASE_CONNECT_TIMEOUT_MS: '20000' };
  const instance = await startInstance({ env: { DATABASE_URL: pooler.url, ...patience, ...env } });
  instances.push(instance);
  return instance;
}

async function refusedStart(env: Record<string, string> = {}): Promise<string> {
  const { child, output } = spawnInstance({ env: { DATABASE_URL: pooler.url, ...env } });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(output()).not.toMatch(/\n\s+at /);
  return output();
}

/** Whoever waits on the server for a row that the test has locked. */
const waiting = async () =>
  (await database.query(`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)).length;

/** A refresh that cannot be done in time is given up by the server, and not only by the driver. */
async function expectTimeLimit({ api }: Instance): Promise<void> {
  const { user, refreshToken } = await api.signUp();
  const holder = new Client({ connectionString: database.adminUrl });
  holder.on('error', () => undefined);
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query('SET LOCAL idle_in_transaction_session_timeout = 0');
  await holder.query('SELECT FROM sessions WHERE user_id = $1 FOR UPDATE', [user.id]);
  const refreshed = api.refresh(refreshToken);
  await until('it waits', waiting);
  expect((await refreshed).status).toBe(503);
  await until('nobody waits any more', async () => (await waiting()) === 0);
  await holder.end();
  expect((await api.refresh(refreshToken)).status).toBe(200);
}

/** Users at all instances, more than there are connections. */
async function expectService(): Promise<void> {
  await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const [here, there] = [instances[i % instances.length]!.api, instances[(i + 1) % instances.length]!.api];
      const account = await here.signUp();
      const { body } = await there.refresh(account.refreshToken);
      const other = await here.signIn(account.credentials);
      for (let round = 0; round < 3; round++) {
        expect((await there.me(body.accessToken)).status).toBe(200);
        expect((await here.sessions(body.accessToken)).body.items).toHaveLength(2);
      }
      expect((await there.endSession(body.accessToken, other.session.id)).status).toBe(204);
      expect((await here.me(other.accessToken)).status).toBe(401);
      expect((await there.logout(body.refreshToken)).status).toBe(204);
      expect((await here.me(body.accessToken)).status).toBe(401);
    }),
  );
}

beforeEach(async () => {
  database = await createDatabase({ isEmpty: true });
});
afterEach(async () => {
  const [first] = instances;
  try {
    if (first) await expectInvariants(database, { api: first.api, hasFaults: true, hasMissingRows: true });
  } finally {
    await Promise.all(instances.splice(0).map((instance) => instance.kill('SIGTERM')));
    await pooler.stop();
    await database.drop();
  }
}, 60_000);

it('With session pooling of PgBouncer the service works as without a pooler', async () => {
  pooler = await startPgBouncer('session', 40);
  await Promise.all([1, 2].map(() => start({ DATABASE_STATEMENT_TIMEOUT_MS: '3000' })));
  expect(await database.query('SELECT name FROM migrations')).toHaveLength(migrations.length);
  await expectService();
  await expectTimeLimit(instances[0]!);

  const account = await instances[0]!.api.signUp();
  const other = await instances[0]!.api.signIn(account.credentials);
  const stream = await EventStream.open(instances[1]!.api, account.accessToken);
  expect(stream.comments).toEqual(['ping']);
  await instances[0]!.api.endSession(account.accessToken, other.session.id);
  await stream.await('session.revoked', other.session.id);
  stream.close();
  expect(instances.map((instance) => instance.output()).join('')).not.toContain('pooler');
}, 120_000);

it('With transaction pooling and time limits of the role all works but streams, which say that they are degraded', async () => {
  await limitTimeOfRole();
  pooler = await startPgBouncer('transaction', 4);
  await Promise.all([1, 2, 3].map(() => start({ DATABASE_STATEMENT_TIMEOUT_MS: '6000' })));
  expect(await database.query('SELECT name FROM migrations')).toHaveLength(migrations.length);
  await expectService();
  await expectTimeLimit(instances[0]!);

  const account = await instances[0]!.api.signUp();
  const stream = await EventStream.open(instances[1]!.api, account.accessToken);
  expect(stream.comments).toEqual(['degraded']);
  await instances[0]!.api.logoutAll(account.refreshToken);
  await until('the look at all streams ends it', () => stream.endedAt !== null, 45);
  expect(stream.comments).not.toContain('ping');
  expect(instances[0]!.output()).toContain('pool_mode = transaction');
}, 180_000);

it('The service refuses to start with transaction pooling where nothing would end a statement', async () => {
  pooler = await startPgBouncer('transaction', 4);
  const output = await refusedStart();
  expect(output).toMatch(/ALTER ROLE \w+ SET statement_timeout = '10s'; ALTER ROLE \w+ SET idle_in_transaction_s/);
  expect(output).toContain('Or use pool_mode = session');
}, 60_000);

it('With transaction pooling the tables are in DATABASE_SCHEMA once the role looks there, and it does not start before', async () => {
  await limitTimeOfRole();
  const { username, pathname } = new URL(database.url);
  const env = { DATABASE_SCHEMA: 'auth' };
  pooler = await startPgBouncer('transaction', 4);
  const change = `ALTER ROLE ${username} IN DATABASE ${pathname.slice(1)} SET search_path = 'auth'`;
  expect(await refusedStart(env)).toContain(`there: ${change}; and`);

  await database.query(change);
  await pooler.stop();
  pooler = await startPgBouncer('transaction', 4);
  await Promise.all([1, 2].map(() => start({ ...env, DATABASE_STATEMENT_TIMEOUT_MS: '6000' })));
  await expectService();
  expect(await database.query('SELECT FROM auth.migrations')).toHaveLength(migrations.length);
  expect(await database.query(`SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toEqual([]);
  // The connections of this test looked elsewhere before.
  await database.query('SET search_path = auth');
}, 120_000);

it('With transaction pooling the tables are in public too only where the role looks there, and it does not start before', async () => {
  await limitTimeOfRole();
  const { username, pathname } = new URL(database.url);
  await database.query(`CREATE SCHEMA ${username}`);
  pooler = await startPgBouncer('transaction', 4);
  const change = `ALTER ROLE ${username} IN DATABASE ${pathname.slice(1)} SET search_path = 'public'`;
  expect(await refusedStart()).toContain(`there: ${change}; and`);

  await database.query(change);
  await pooler.stop();
  pooler = await startPgBouncer('transaction', 4);
  const { api } = await start({});
  expect((await api.signUp()).accessToken).toBeTruthy();
  expect(await database.query('SELECT FROM public.migrations')).toHaveLength(migrations.length);
  expect(await database.query(`SELECT FROM pg_class WHERE relnamespace = '${username}'::regnamespace`)).toEqual([]);
  // The connections of this test looked elsewhere before.
  await database.query('SET search_path = public');
}, 120_000);

it('The service starts with transaction pooling on a database that is stricter by default once its role is not', async () => {
  await limitTimeOfRole();
  const { username, pathname } = new URL(database.url);
  await database.query(`ALTER DATABASE ${pathname.slice(1)} SET default_transaction_isolation = 'serializable'`);
  pooler = await startPgBouncer('transaction', 4);
  const output = await refusedStart();
  expect(output).toContain(`there: ALTER ROLE ${username} SET default_transaction_isolation = 'read committed'; and`);

  await database.query(
    `ALTER ROLE ${username} IN DATABASE ${pathname.slice(1)} SET default_transaction_isolation = 'read committed'`,
  );
  await pooler.stop();
  pooler = await startPgBouncer('transaction', 4);
  const { api } = await start({});
  const { credentials } = await api.signUp();
  const wrong = await Promise.all(
    Array.from({ length: 20 }, () => api.login({ ...credentials, password: 'not the password' })),
  );
  expect(wrong.filter(({ status }) => status !== 401 && status !== 429)).toEqual([]);
}, 120_000);

it('The service refuses to start with standbys where the primary is pooled by transaction, or a standby is pooled at all', async () => {
  await limitTimeOfRole();
  pooler = await startPgBouncer('transaction', 4);
  const pooled = await refusedStart({ DATABASE_READ_URLS: database.url });
  expect(pooled).toMatch(/DATABASE_READ_URLS cannot be used where DATABASE_URL leads to a pooler.*pool_mode = session/);

  const primary = await PostgresCluster.create();
  const standby = await primary.standby();
  await pooler.stop();
  pooler = await startPgBouncer('session', 4, standby.url);
  const output = await refusedStart({ DATABASE_URL: primary.url, DATABASE_READ_URLS: pooler.url });
  expect(output).toContain(`DATABASE_READ_URLS leads to a pooler at ${new URL(pooler.url).host}`);
  await Promise.all([standby, primary].map((cluster) => cluster.remove()));
}, 120_000);

it('The service refuses to start with statement pooling and repeats what the pooler says', async () => {
  await limitTimeOfRole();
  pooler = await startPgBouncer('statement', 4);
  expect(await refusedStart()).toMatch(/cannot be used \(08P01: .*statement pooling mode.*\)\. Check DATABASE_URL/);
}, 60_000);

/** Rows that a client of its own reads there, null where it cannot. */
async function readAt(url: string, sql: string, values?: unknown[]): Promise<any[] | null> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(sql, values)).rows;
  } catch {
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}

it('With transaction pooling nothing is read from a standby that the pooler leads to', async () => {
  await database.drop();
  const postgres = await startPostgres();
  database = {
    url: postgres.url,
    ownerUrl: postgres.url,
    adminUrl: postgres.url,
    query: async (sql, values) => (await readAt(postgres.url, sql, values))!,
    drop: () => postgres.stop(),
  };
  const { username, pathname } = new URL(postgres.url);
  for (const name of ['statement_timeout', 'idle_in_transaction_session_timeout']) {
    await database.query(`ALTER ROLE ${username} IN DATABASE ${pathname.slice(1)} SET ${name} = 3000`);
  }
  pooler = await startPgBouncer('transaction', 4);
  const { api } = await start({});
  const { accessToken, refreshToken } = await api.signUp();
  expect((await api.me(accessToken)).status).toBe(200);

  await postgres.stop();
  writeFileSync(join(postgres.dataDir, 'postgres', 'standby.signal'), '');
  // It has not restarted as a primary before it is promoted.
  const restarted = postgres.restart();
  await until('the pooler leads to a standby', async () => {
    const rows = await readAt(pooler.url, 'SELECT pg_is_in_recovery() AS "isStandby"');
    return rows?.[0]?.isStandby;
  });
  try {
    for (let i = 0; i < 5; i++) {
      expect((await api.me(accessToken)).status).toBe(503);
      expect((await api.refresh(refreshToken)).status).toBe(503);
    }
  } finally {
    await readAt(postgres.url, 'SELECT pg_promote()');
    await restarted;
  }
  await until('it serves', async () => (await api.me(accessToken)).status === 200);
}, 120_000);
