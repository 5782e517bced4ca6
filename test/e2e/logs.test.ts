import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api, cookieOf, someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { spawnInstance, startInstance, withoutLimits } from '../support/instance.js';
import { raw } from '../support/raw.js';
import { SECRETS } from '../support/secrets.js';
import { holdUsers } from '../support/held-rows.js';
import { until } from '../support/until.js';

let database: TestDatabase;
const started: ChildProcess[] = [];

beforeAll(async () => {
  database = await createDatabase();
});
afterEach(() => started.splice(0).forEach((child) => child.kill('SIGKILL')));
afterAll(() => database.drop());

const jsonLog = () => ({
  NODE_ENV: 'production',
  COOKIE_SECURE: 'off',
  LOG_LEVEL: 'trace',
  DATABASE_URL: database.url,
  JWT_SECRET: 'Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c-Yr6f-Ja1e',
  REFRESH_TOKEN_SECRET: 'Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l-Eu0y',
});

it('The log is one JSON record per line, whatever a client sends', async () => {
  const instance = await startInstance({ env: jsonLog() });
  const { api } = instance;
  const hostile = [
    'a"}\\n{"level":60,"msg":"forged"}',
    '\u001b[2J\u001b[31mred',
    '${jndi:ldap://x}',
    '%0d%0aSet-Cookie: x=1',
  ];
  for (const text of hostile) {
    const header = text.replace(/[^\x20-\x7e]/g, '');
    await api.call('GET', `/auth/me?x=${encodeURIComponent(text)}`, {
      headers: { 'user-agent': header, 'x-request-id': header, referer: header },
    });
    await api.login({ email: `${text}@example.com`, password: text });
    await api.call('POST', '/auth/login', { body: text });
  }
  await instance.kill('SIGTERM');
  const lines = instance.output().trim().split('\n');
  const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request');
  expect(requests).toHaveLength(hostile.length * 3);
  for (const { requestId, method, status, milliseconds } of requests) {
    expect(requestId).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
    expect([typeof method, typeof status, typeof milliseconds]).toEqual(['string', 'number', 'number']);
  }
  expect(instance.output()).not.toMatch(/forged|jndi/);
  expect(instance.output()).not.toContain('\u001b');
});

it('Neither the log nor the audit trail contains any of the secrets of a whole run', async () => {
  const instance = await startInstance({ env: jsonLog() });
  const { api } = instance;
  const secrets: string[] = [];
  const account = await api.signUp();
  const byCookie = await api.login({ ...account.credentials, tokenDelivery: 'cookie' });
  const cookie = cookieOf(byCookie);
  const refreshed = await api.refresh(account.refreshToken);
  const again = await api.refreshByCookie(cookie);
  await api.login({ ...account.credentials, password: 'the wrong passphrase' });
  await api.register({ ...someone(), password: 'password1' });
  await api.register({ ...account.credentials });
  await api.call('POST', '/auth/login', { body: `{"password":"half a passphrase` });
  await api.call('POST', `/auth/login?password=in-the-address-1`, { body: account.credentials });
  await api.me('in.the.header');
  await api.me(refreshed.body.refreshToken);
  await api.refresh(account.accessToken);
  await api.refresh(`${account.refreshToken}x`);
  await api.logoutAll(refreshed.body.refreshToken);
  await api.me(account.accessToken);
  secrets.push(account.credentials.password, 'the wrong passphrase', 'half a passphrase', 'in.the.header');
  secrets.push('in-the-address-1', database.url, ...Object.values(SECRETS));
  for (const { body } of [refreshed, again, byCookie]) secrets.push(body.accessToken, body.refreshToken);
  secrets.push(account.accessToken, account.refreshToken, cookie.split('=')[1]!, cookieOf(again).split('=')[1]!);
  const rows = await database.query<Record<string, unknown>>('SELECT password_hash FROM users');
  secrets.push(...rows.map(({ password_hash }) => String(password_hash)));
  await instance.kill('SIGTERM');

  const [trail] = await database.query<{ text: string }>(
    `SELECT string_agg(e::text, E'\\n') AS text FROM audit_events e`,
  );
  expect(instance.output()).toContain('/auth/refresh');
  for (const secret of secrets.filter((one) => one !== undefined)) {
    expect(instance.output()).not.toContain(secret);
    expect(trail!.text).not.toContain(secret);
  }
});

it('A database statement carries the id of the request that it belongs to', async () => {
  const instance = await startInstance({ env: { DATABASE_URL: database.url } });
  const { credentials, user } = await instance.api.signUp();
  const rows = await holdUsers(database, [user.id]);
  const login = instance.api.login(credentials, { headers: { 'x-request-id': 'a-request-that-waits' } });
  const [query] = await rows.waiting('', 1);
  expect(query).toMatch(/^\w+ \/\* a-request-that-waits \*\//);
  await rows.release();
  expect((await login).status).toBe(200);
  await instance.kill('SIGTERM');
});

it.each(['production', 'development'])(
  'In %s the service goes on serving when its log has no reader any more',
  async (environment) => {
    const port = await freePort();
    const { child } = spawnInstance({
      env: { ...jsonLog(), NODE_ENV: environment, PORT: String(port) },
      isPiped: true,
    });
    const api = new Api(`http://127.0.0.1:${port}`);
    await until('it answers', () =>
      api.call('GET', '/health/ready').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    child.stdout!.destroy();
    child.stderr!.destroy();
    for (let i = 0; i < 20; i++) {
      expect((await api.me((await api.signUp()).accessToken)).status).toBe(200);
    }
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
  },
);

/** Starts an instance whose output goes to an open file, and waits until it answers. */
async function startInto(output: number, environment: string) {
  const port = await freePort();
  const child = spawn(process.execPath, ['dist/main.js'], {
    env: {
      PATH: process.env['PATH'],
      ...withoutLimits(environment),
      ...jsonLog(),
      NODE_ENV: environment,
      PORT: String(port),
    },
    stdio: ['ignore', output, output],
  });
  started.push(child);
  const api = new Api(`http://127.0.0.1:${port}`);
  await until('it answers', () =>
    api.call('GET', '/health/ready').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return { child, api };
}

it.each(['production', 'development'])(
  'In %s the service goes on serving when its log goes to a full disk',
  async (environment) => {
    const full = openSync('/dev/full', 'w');
    const { child, api } = await startInto(full, environment);
    for (let i = 0; i < 20; i++) {
      expect((await api.me((await api.signUp()).accessToken)).status).toBe(200);
    }
    expect(child.exitCode).toBeNull();
    closeSync(full);
  },
);

// More than fits into the pipe and the backlog together.
const MANY = 8000;

it.each(['production', 'development'])(
  'In %s the service goes on serving when the reader of its log stops, and says how many lines that cost when it goes on',
  async (environment) => {
    const folder = mkdtempSync(join(tmpdir(), 'latchkey-log-'));
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, 'w');
    const { api } = await startInto(writer, environment);
    const request = 'GET /health/live HTTP/1.1\r\nHost: x\r\n';
    const answers = await raw(api.url, `${`${request}\r\n`.repeat(MANY)}${request}Connection: close\r\n\r\n`);
    expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(MANY + 1);
    expect((await api.me((await api.signUp()).accessToken)).status).toBe(200);

    let log = '';
    const pipe = new Socket({ fd: reader, readable: true, writable: false });
    pipe.on('data', (chunk) => (log += chunk.toString()));
    const lost = await until('the loss is logged', () => /(\d+) lines of the log could not be written/.exec(log)?.[1]);
    await api.call('GET', '/health/live', { headers: { 'x-request-id': 'read-again' } });
    await until('the log goes on', () => log.includes('read-again'));
    // Between the first one and the last, each is there or counted.
    const written = log.match(/"route":"\/health\/live"/g)!.length;
    expect(Number(lost)).toBeGreaterThan(500);
    expect(written + Number(lost)).toBeGreaterThanOrEqual(MANY + 2);
    expect(written + Number(lost)).toBeLessThan(MANY + 20);
    pipe.destroy();
    closeSync(writer);
    rmSync(folder, { recursive: true });
  },
);
