import { closeSync, openSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { Api, cookieOf, someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { spawnInstance, startInstance, withoutLimits } from '../support/instance.js';
import { SECRETS } from '../support/secrets.js';
import { holdUsers } from '../support/held-rows.js';
import { until } from '../support/until.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
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
    const { child } = spawnInstance({ env: { ...jsonLog(), NODE_ENV: environment, PORT: String(port) } });
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

it.each(['production', 'development'])(
  'In %s the service goes on serving when its log goes to a full disk',
  async (environment) => {
    const port = await freePort();
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, ['dist/main.js'], {
      env: {
        PATH: process.env['PATH'],
        ...withoutLimits(environment),
        ...jsonLog(),
        NODE_ENV: environment,
        PORT: String(port),
      },
      stdio: ['ignore', full, full],
    });
    const api = new Api(`http://127.0.0.1:${port}`);
    await until('it answers', () =>
      api.call('GET', '/health/ready').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    for (let i = 0; i < 20; i++) {
      expect((await api.me((await api.signUp()).accessToken)).status).toBe(200);
    }
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    closeSync(full);
  },
);
