import { type AuthResult, someone } from '../support/api.js';
import { EventStream } from '../support/event-stream.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { until } from '../support/until.js';
import { Cluster, type ClusterNode } from './cluster.js';
import { Load } from './load.js';

// Three PostgreSQL 15 under Patroni behind HAProxy, with the files of src/process/failover. The tests belong together: each
// begins with the cluster that the one before has left whole.
const PATIENCE = 400_000;
const SECONDS = 120;
const ENV = { LOG_LEVEL: 'silent', DATABASE_STATEMENT_TIMEOUT_MS: '3000', METRICS_PORT: undefined };

let cluster: Cluster;
const instances: Instance[] = [];
let load: Load;
/** The database as all but the control reach it. */
let url: string;
/** An instance whose HAProxy leaves connections to a deposed primary open. */
let control: Instance;
const report: string[] = [];

async function start(databaseUrl: string, env: Record<string, string> = {}): Promise<Instance> {
  const instance = await startInstance({ env: { ...ENV, DATABASE_URL: databaseUrl, ...env } });
  instances.push(instance);
  return instance;
}

beforeAll(async () => {
  cluster = await Cluster.start();
  const primary = await cluster.primary();
  await primary.query(`CREATE ROLE latchkey LOGIN PASSWORD 'its-secret'`);
  await primary.query('CREATE DATABASE latchkey OWNER latchkey');
  url = await cluster.startProxy();
  const first = await start(url);
  const second = await start(url);
  control = await start(await cluster.startProxy((text) => text.replace('on-marked-down shutdown-sessions', '')));
  load = await Load.start([first.api, second.api]);
}, PATIENCE);

/** As `it`. Where it fails, what the nodes and the instances say of it is printed. */
function test(name: string, body: () => Promise<void>): void {
  it(
    name,
    async () => {
      try {
        await body();
      } catch (error) {
        report.push(`--- ${name}`, ...(await cluster.describe()));
        for (const { api } of instances) report.push(JSON.stringify((await api.call('GET', '/health/ready')).body));
        throw error;
      }
    },
    PATIENCE,
  );
}

afterAll(async () => {
  await load?.stop();
  try {
    if (cluster) {
      const primary = await cluster.primary();
      const database = { query: primary.query.bind(primary) };
      await expectInvariants(database, { hasFaults: true, hasMissingRows: true });
    }
  } finally {
    await Promise.all(instances.map((instance) => instance.kill('SIGKILL')));
    cluster?.stop();
    // What a failover costs is worth reading whatever came of it.
    process.stdout.write(`\n${report.join('\n')}\n\n`);
  }
}, PATIENCE);

const risks = async () => (await instances[0]!.api.call('GET', '/health/ready')).body.durabilityRisks;

/** Nothing that was acknowledged is undone, before or after the cluster is whole again, and nothing wrong was answered. */
async function expectNothingForgotten(what: string, since: number): Promise<void> {
  await load.recovered();
  expect(await load.findUndone()).toEqual([]);
  await cluster.whole();
  const seconds = load.secondsRefused(since).toFixed(1);
  expect(await load.findUndone()).toEqual([]);
  expect(load.violations).toEqual([]);
  report.push(
    `synchronous, ${what}: 0 of ${load.acknowledged.length} acknowledged logouts undone, protected requests refused for ${seconds} s`,
  );
}

test('A switchover undoes no acknowledged logout', async () => {
  const since = performance.now();
  const leader = await cluster.whole();
  await until('no instance knows of a risk', async () => String(await risks()) === '');
  expect(await leader.call('POST', '/switchover', { leader: leader.name })).toMatchObject({ status: 200 });
  expect(await cluster.primary(leader)).not.toBe(leader);
  await expectNothingForgotten('switchover', since);
});

test('The crash of the server of the primary undoes no acknowledged logout', async () => {
  const since = performance.now();
  const primary = await cluster.whole();
  primary.signalPostgres('SIGKILL');
  await expectNothingForgotten('kill -9 of the server', since);
});

test('The loss of the node of the primary undoes no acknowledged logout, and streams go on at the new one', async () => {
  const since = performance.now();
  const [first, second] = [instances[0]!.api, instances[1]!.api];
  const account = await first.signUp();
  const others = [await first.signIn(account.credentials), await first.signIn(account.credentials)];
  const stream = await EventStream.open(first, account.accessToken);
  const primary = await cluster.whole();
  primary.signalAll('SIGKILL');

  await cluster.primary(primary);
  await until(
    'it is logged out',
    async () => {
      const { status } = await second.endSession(account.accessToken, others[0]!.session.id);
      return status === 204 || status === 404;
    },
    SECONDS,
  );
  await stream.await('session.revoked', others[0]!.session.id);
  primary.start();
  await expectNothingForgotten('kill -9 of the node', since);

  expect((await second.endSession(account.accessToken, others[1]!.session.id)).status).toBe(204);
  await stream.await('session.revoked', others[1]!.session.id);
  expect(stream.endedAt).toBeNull();
  expect((await second.logoutAll(account.refreshToken)).status).toBe(200);
  await stream.ended();
});

async function isRevokedAt(node: ClusterNode, { session }: Pick<AuthResult, 'session'>): Promise<boolean> {
  const [row] = await node.query<{ revoked_at: Date | null }>('SELECT revoked_at FROM sessions WHERE id = $1', [
    session.id,
  ]);
  return row !== undefined && row.revoked_at !== null;
}

/** Signs in and, once another is the primary, logs out there. */
async function logoutAfter(depose: () => void, deposed: ClusterNode) {
  const device = await instances[0]!.api.signUp();
  expect((await control.api.me(device.accessToken)).status).toBe(200);
  depose();
  const primary = await cluster.primary(deposed);
  // Not before a standby follows the new primary, which may have to be rewound for that. Until then the outcome is unknown, and
  // where that took long, what is tried again is told that the session has ended.
  const answers: string[] = [];
  await until(
    'it is logged out',
    async () => {
      const { status, body } = await instances[0]!.api.logout(device.refreshToken);
      answers.push(`${status} ${body?.code}`);
      return status === 204 || (status === 400 && (await isRevokedAt(primary, device)));
    },
    SECONDS,
  ).catch((error: unknown) => {
    report.push(`answered to the logout: ${[...new Set(answers)].join(', ')}`);
    throw error;
  });
  return device;
}

const isRefused = async ({ accessToken }: { accessToken: string }) => {
  for (const { api } of instances.slice(0, 2)) {
    expect([401, 503]).toContain((await api.me(accessToken)).status);
  }
};

test('A primary that is frozen, deposed and woken again answers nothing', async () => {
  const since = performance.now();
  const old = await cluster.whole();
  const device = await logoutAfter(() => old.signalAll('SIGSTOP'), old);
  old.signalAll('SIGCONT');
  for (let i = 0; i < 50; i++) await isRefused(device);
  await expectNothingForgotten('the node frozen and woken', since);
});

test('A deposed primary that goes on serving is asked by nobody, since HAProxy has cut its connections', async () => {
  const since = performance.now();
  const old = await cluster.whole();
  const device = await logoutAfter(() => old.signalPatroni('SIGSTOP'), old);
  const [row] = await old.query('SELECT pg_is_in_recovery(), revoked_at FROM sessions WHERE id = $1', [
    device.session.id,
  ]);
  expect(row).toEqual({ pg_is_in_recovery: false, revoked_at: null });
  for (let i = 0; i < 50; i++) await isRefused(device);
  // Without that line of its configuration it is.
  expect((await control.api.me(device.accessToken)).status).toBe(200);
  old.signalPatroni('SIGCONT');
  await expectNothingForgotten('Patroni frozen and woken', since);
});

test('While the standbys receive nothing, no logout is acknowledged', async () => {
  const primary = await cluster.whole();
  const device = await instances[0]!.api.signUp();
  primary.signalPostgres('SIGSTOP', 'walsender');
  expect((await instances[0]!.api.logout(device.refreshToken)).status).toBe(503);
  expect((await instances[1]!.api.me(device.accessToken)).status).toBe(200);
  primary.signalPostgres('SIGCONT', 'walsender');
  await until('it is logged out', async () => (await instances[1]!.api.me(device.accessToken)).status === 401);
  await load.recovered();
  expect(load.violations).toEqual([]);
  await load.stop();
});

test('The control: in asynchronous mode the loss of the node undoes acknowledged logouts', async () => {
  await cluster.becomeAsynchronous();
  await until('the instances know of the risk', async () => String(await risks()) === 'synchronous_standby_names');
  // One that serves what lacks logouts that it was answered; the others notice if they can.
  const { api } = await start(url, { RESTORED: 'acknowledged' });
  const credentials = someone();
  await api.register({ ...credentials, tokenDelivery: 'body' });
  const devices = await Promise.all(Array.from({ length: 20 }, () => api.signIn(credentials)));
  const primary = await cluster.primary();
  await until('the standbys have them', async () => {
    const [row] = await primary.query<{ behind: string }>(
      'SELECT count(*) AS behind FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()',
    );
    return row?.behind === '0';
  });
  primary.signalPostgres('SIGSTOP', 'walsender');
  for (const { refreshToken } of devices) {
    expect((await api.logout(refreshToken)).status).toBe(204);
  }
  primary.signalAll('SIGKILL');

  await cluster.primary(primary);
  await until('it is served', async () => (await api.me(devices[0]!.accessToken)).status !== 503, 60);
  const undone = await load.findUndone(devices, [api]);
  expect(undone.length).toBe(devices.length);
  report.push(
    `asynchronous, kill -9 of the node: ${undone.length} of ${devices.length} logouts acknowledged while the standbys were behind are undone`,
  );
});
