import { type Api } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { holdUsers } from '../support/held-rows.js';
import { type Instance, spawnInstance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { childrenOf } from '../support/postgres.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let instance: Instance;
let api: Api;
let metricsUrl: string;

beforeAll(async () => {
  database = await createDatabase({ isEmpty: true });
  const metricsPort = await freePort();
  metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  instance = await startInstance({
    env: {
      DATABASE_URL: database.url,
      WEB_CONCURRENCY: '2',
      METRICS_PORT: String(metricsPort),
      LOG_LEVEL: 'info',
      PASSWORD_HASH_PARALLEL: '1',
    },
  });
  api = instance.api;
  // Processes start here, which takes as long as it takes where others are busy.
  await until('all listen', async () => (await metric('workers ').catch(() => 0)) === 2, 60);
}, 120_000);

afterAll(async () => {
  await instance?.kill('SIGKILL');
  await expectInvariants(database);
  await database.drop();
});

const workers = () => childrenOf(instance.process.pid!).toSorted((x, y) => x - y);
const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(metricsUrl)).text();
  const values = text
    .split('\n')
    .filter((line) => line.startsWith(`latchkey_${name}`))
    .map((line) => Number(line.split(' ').at(-1)));
  return values.reduce((sum, value) => sum + value, 0);
};

/** Each on a connection of its own, so that the workers take turns. */
const ask = (accessToken: string) => api.me(accessToken, { connection: 'close' });

it('A service with two workers migrates once, says once where it listens and shows the metrics of both', async () => {
  expect(workers()).toHaveLength(2);
  expect(instance.output().match(/Migrations: /g)).toHaveLength(1);
  expect(instance.output().match(/Swagger UI/g)).toHaveLength(1);

  const { accessToken } = await api.signUp();
  const before = await metric('http_request_duration_seconds_count{method="GET",route="/auth/me"');
  for (let i = 0; i < 20; i++) {
    expect((await ask(accessToken)).status).toBe(200);
  }
  expect(await metric('http_request_duration_seconds_count{method="GET",route="/auth/me"')).toBe(before + 20);
  expect(await metric('workers ')).toBe(2);
});

it('A logout ends a session for every worker at once', async () => {
  for (let round = 0; round < 10; round++) {
    const device = await api.signUp();
    expect((await Promise.all([1, 2, 3, 4].map(() => ask(device.accessToken)))).map(({ status }) => status)).toEqual([
      200, 200, 200, 200,
    ]);
    expect((await api.logout(device.refreshToken)).status).toBe(204);
    expect((await Promise.all([1, 2, 3, 4].map(() => ask(device.accessToken)))).map(({ status }) => status)).toEqual([
      401, 401, 401, 401,
    ]);
  }
});

it('On SIGHUP the service replaces its workers and refuses no request meanwhile', async () => {
  const { accessToken } = await api.signUp();
  const before = workers();
  let isReplacing = true;
  const statuses = new Map<number, number>();
  const clients = [1, 2, 3, 4].map(async () => {
    while (isReplacing) {
      for (const { status } of [await ask(accessToken), await api.call('GET', '/health/ready')]) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }
  });
  instance.process.kill('SIGHUP');
  await until(
    'all workers are others',
    () => {
      const now = workers();
      return now.length === 2 && now.every((pid) => !before.includes(pid));
    },
    60,
  );
  await until('it says so', () => instance.output().includes('replaced all workers'));
  isReplacing = false;
  await Promise.all(clients);
  expect([...statuses.keys()]).toEqual([200]);
  expect(statuses.get(200)).toBeGreaterThan(10);
}, 120_000);

it('The service replaces a worker that was killed', async () => {
  const { accessToken } = await api.signUp();
  const [victim, other] = workers();
  process.kill(victim!, 'SIGKILL');
  await until('there are two again', async () => (await metric('workers ')) === 2 && !workers().includes(victim!), 60);
  expect(workers()).toContain(other);
  await until('both answer', async () =>
    (await Promise.all([1, 2, 3, 4].map(() => ask(accessToken)))).every(({ status }) => status === 200),
  );
});

it('On SIGTERM the workers finish what is under way and leave no process behind', async () => {
  const pids = workers();
  const { credentials, user } = await api.signUp();
  // Logins that cannot finish, for the row of their user is held.
  const rows = await holdUsers(database, [user.id]);
  const logins = Promise.all([1, 2, 3].map(() => api.login(credentials)));
  await rows.waiting('', 3);
  const code = instance.kill('SIGTERM');
  await until('it stops', () => instance.output().includes('SIGTERM: finishing what is under way'));
  await rows.release();
  expect(await code).toBe(0);
  expect((await logins).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(pids.filter((pid) => childrenOf(process.pid).includes(pid))).toEqual([]);
  for (const pid of pids) {
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  }
});

it('The service does not start where no worker can, and says why', async () => {
  const { child, output } = spawnInstance({
    env: { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', WEB_CONCURRENCY: 'auto' },
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  expect(code).toBe(1);
  expect(output()).toContain('Check DATABASE_URL');
});
