import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { holdUsers } from '../support/held-rows.js';
import { holdSockets } from '../support/held-sockets.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { childrenOf, temporaryFolder } from '../support/postgres.js';
import { until as soon } from '../support/until.js';

// As an operator runs workers: in production, with secrets in files, in a process group of their own.
let database: TestDatabase;
let instance: Instance;
let metricsUrl: string;
const folder = temporaryFolder();
/** Processes start here, which takes as long as it takes where others are busy. */
const until = <T>(what: string, ask: Parameters<typeof soon<T>>[1]) => soon(what, ask, 100);

const inFile = (name: string, value: string): string => {
  writeFileSync(join(folder, name), value);
  return join(folder, name);
};
const writeSecrets = (version: string) => ({
  JWT_SECRET_FILE: inFile('jwt', `${version}-Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c-Yr6f`),
  REFRESH_TOKEN_SECRET_FILE: inFile('refresh', `${version}-Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l`),
});

beforeAll(async () => {
  database = await createDatabase();
  const metricsPort = await freePort();
  metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  instance = await startInstance({
    env: {
      NODE_ENV: 'production',
      LOG_LEVEL: 'info',
      COOKIE_SECURE: 'off',
      VISIT_COOKIE: 'on',
      ACCOUNT_PAGE: 'on',
      WEB_CONCURRENCY: '2',
      METRICS_PORT: String(metricsPort),
      DATABASE_URL_FILE: inFile('database', database.url),
      JWT_SECRET: undefined,
      REFRESH_TOKEN_SECRET: undefined,
      ...writeSecrets('one'),
    },
    command: [process.execPath, ['dist/main.js'], { detached: true }],
  });
  await until('all have started', () => instance.output().includes('Metrics at'));
}, 120_000);

afterAll(async () => {
  await instance?.kill('SIGKILL');
  await expectInvariants(database);
  await database.drop();
});

const workers = () => childrenOf(instance.process.pid!);
const replacements = () => instance.output().split('replaced all workers').length - 1;
/** On connections of their own, so that the workers take turns. */
const statuses = async (accessToken: string) => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => instance.api.me(accessToken, { connection: 'close' })),
  );
  return [...new Set(answers.map(({ status }) => status))];
};

it('A SIGHUP replaces every worker whatever clients hold open: tokens of the old secrets work nowhere any more', async () => {
  const old = await instance.api.signUp();
  const visit = (await instance.api.register({ ...someone(), tokenDelivery: 'cookie' })).headers.getSetCookie()[1]!;
  const ask = () => instance.api.call('GET', '/verify', { cookie: visit.split(';')[0]! });
  expect((await ask()).status).toBe(200);
  const sockets = await holdSockets(instance, old.accessToken);
  const before = workers();

  writeSecrets('two');
  instance.process.kill('SIGHUP');
  const scrapes: number[] = [];
  await until('all are replaced', async () => {
    scrapes.push((await fetch(metricsUrl)).status);
    return replacements() === 1;
  });
  expect(new Set(scrapes)).toEqual(new Set([200]));
  expect(workers().filter((pid) => before.includes(pid))).toEqual([]);

  expect(await statuses(old.accessToken)).toEqual([401]);
  expect((await instance.api.refresh(old.refreshToken)).status).toBe(401);
  expect(await ask()).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
  expect(await statuses((await instance.api.signIn(old.credentials)).accessToken)).toEqual([200]);
  sockets.forEach((socket) => socket.destroy());
}, 120_000);

it('A SIGHUP that comes while workers are being replaced replaces them once more', async () => {
  const [before, first] = [workers(), replacements()];
  writeSecrets('three');
  instance.process.kill('SIGHUP');
  await until('it has begun', () => workers().some((pid) => !before.includes(pid)));
  writeSecrets('four');
  instance.process.kill('SIGHUP');
  await until('both are done', () => replacements() === first + 2);
  expect(await statuses((await instance.api.signUp()).accessToken)).toEqual([200]);
}, 120_000);

it('A SIGHUP to the whole process group replaces every worker, and a SIGTERM to it lets running requests finish', async () => {
  const [before, count] = [workers(), replacements()];
  process.kill(-instance.process.pid!, 'SIGHUP');
  await until('all are replaced', () => replacements() > count);
  expect(instance.output()).not.toContain('ended: SIGHUP');
  expect(workers().filter((pid) => before.includes(pid))).toEqual([]);

  const { credentials, user } = await instance.api.signUp();
  const users = await holdUsers(database, [user.id]);
  const logins = Promise.all([1, 2, 3].map(() => instance.api.login(credentials)));
  await users.waiting('password_hash = ', 3);
  const gone = new Promise((resolve) => instance.process.once('exit', resolve));
  process.kill(-instance.process.pid!, 'SIGTERM');
  await users.release();
  expect((await logins).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await gone).toBe(0);
}, 120_000);

it('A service that replaced its workers has written nothing but JSON lines', () => {
  const lines = instance.output().trim().split('\n');
  expect(lines.filter((line) => !line.startsWith('{') || !line.endsWith('}'))).toEqual([]);
  expect(lines.filter((line) => line.includes('Metrics at'))).toHaveLength(1);
});
