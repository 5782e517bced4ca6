import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cookieOf, someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { spawnInstance, startInstance } from '../support/instance.js';

const PRODUCTION = {
  NODE_ENV: 'production',
  LOG_LEVEL: 'info',
  JWT_SECRET: 'Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c-Yr6f-Ja1e',
  REFRESH_TOKEN_SECRET: 'Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l-Eu0y',
};
let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

/** Starts a process that is expected to end by itself. */
async function refusedStart(env: Record<string, string | undefined>, cwd = process.cwd()) {
  const { child, output } = spawnInstance({ env, cwd });
  const [code] = await once(child, 'close');
  return { code, output: output() };
}

it('In production the service refuses to start without its secrets and database, naming all of them at once', async () => {
  const { code, output } = await refusedStart({
    NODE_ENV: 'production',
    JWT_SECRET: undefined,
    REFRESH_TOKEN_SECRET: 'change-me-change-me-change-me-change-me',
  });
  expect(code).toBe(1);
  expect(output).toMatch(/JWT_SECRET is required/);
  expect(output).toMatch(/REFRESH_TOKEN_SECRET looks like a placeholder/);
  expect(output).toMatch(/DATABASE_URL is required/);
  expect(output).not.toMatch(/change-me|\n\s+at /);
});

it('A start that cannot reach its database says in one sentence which one, without the password', async () => {
  const { code, output } = await refusedStart({ DATABASE_URL: 'postgres://someone:pa55phrase@127.0.0.1:1/shop' });
  expect(code).toBe(1);
  expect(output).toContain('The database shop at 127.0.0.1:1 cannot be used (ECONNREFUSED). Check DATABASE_URL.');
  expect(output).not.toMatch(/pa55phrase|\n\s+at /);
});

it('A start that PostgreSQL refuses names the database and the error code', async () => {
  const url = new URL(database.url);
  url.pathname = '/no_such_database';
  const { code, output } = await refusedStart({ DATABASE_URL: url.href });
  expect(code).toBe(1);
  expect(output).toContain('The database no_such_database at');
  expect(output).toContain('3D000');
});

it.each([
  ['secrets', () => ({ DATABASE_URL: database.url, JWT_SECRET: undefined })],
  ['the embedded database', () => ({ DATABASE_URL: undefined })],
  ['mails', () => ({ DATABASE_URL: database.url })],
])('A DATA_DIR that cannot hold %s stops the start with one line that names it', async (_, env) => {
  const file = join(mkdtempSync(join(tmpdir(), 'latchkey-test-')), 'a-file');
  writeFileSync(file, '');
  const { code, output } = await refusedStart({ ...env(), DATA_DIR: join(file, 'data') });
  expect(code).toBe(1);
  expect(output.trim().split('\n')).toEqual([
    expect.stringMatching(/^The folder \S+a-file\/data\S* cannot be used \(ENOTDIR\)\. Make it writable .* DATA_DIR /),
  ]);
});

it('On a port that is taken the service refuses to start, with one line that says what to do', async () => {
  const first = await startInstance({ env: { DATABASE_URL: database.url } });
  const { code, output } = await refusedStart({ DATABASE_URL: database.url, PORT: new URL(first.url).port });
  expect(code).toBe(1);
  const port = `port ${new URL(first.url).port} (EADDRINUSE)`;
  expect(output.trim().split('\n')).toEqual([
    `Cannot listen on host 127.0.0.1, ${port}. Set HOST or PORT, such as PORT=3001 npm start, or end what uses it.`,
  ]);
  await first.kill('SIGTERM');
});

it('The service reads .env in its folder, and the real environment overrules it', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  writeFileSync(join(cwd, '.env'), 'ACCESS_TOKEN_TTL=77\nSESSION_IDLE_TTL=88\n');
  const instance = await startInstance({ cwd, env: { DATABASE_URL: database.url, SESSION_IDLE_TTL: '99' } });
  const { expiresIn, session } = await instance.api.signUp();
  expect(expiresIn).toBe(77);
  expect(Date.parse(session.idleExpiresAt) - Date.parse(session.createdAt)).toBe(99_000);
  await instance.kill('SIGTERM');
});

it('In production the service sets a __Host- cookie, has no Swagger UI and logs no secret', async () => {
  const instance = await startInstance({ env: { ...PRODUCTION, DATABASE_URL: database.url } });
  const { api } = instance;
  const credentials = someone();
  const registered = await api.register({ ...credentials, tokenDelivery: 'cookie' });
  expect(registered.headers.getSetCookie()).toEqual([
    expect.stringMatching(/^__Host-refresh_token=v1\.[^;]+; Path=\/; Max-Age=\d+; HttpOnly; Secure; SameSite=Strict$/),
  ]);
  const cookie = cookieOf(registered);
  // The plain name is not ours here, whatever it carries.
  const tossed = await api.refreshByCookie(cookie.replace('__Host-', ''));
  expect([tossed.status, tossed.body.code]).toEqual([401, 'invalid_refresh_token']);
  const refreshed = await api.refreshByCookie(cookie);
  expect(refreshed.status).toBe(200);

  for (const path of ['/docs', '/docs/', '/docs-json', '/docs-yaml', '/docs/docs.mjs']) {
    expect((await api.call('GET', path)).status).toBe(404);
  }

  await api.login({ ...credentials, password: 'a wrong password 1' });
  await api.call('GET', '/auth/me', { headers: { authorization: 'Bearer not-a-token-at-all' } });
  await instance.kill('SIGTERM');

  const lines = instance.output().trim().split('\n');
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) {
    expect(JSON.parse(line)).toMatchObject({ level: expect.anything(), msg: expect.any(String) });
  }
  for (const secret of [
    credentials.password,
    'a wrong password 1',
    'not-a-token-at-all',
    registered.body.accessToken,
    refreshed.body.accessToken,
    cookie.split('=')[1]!,
    cookieOf(refreshed).split('=')[1]!,
    PRODUCTION.JWT_SECRET,
    PRODUCTION.REFRESH_TOKEN_SECRET,
    database.url,
  ]) {
    expect(instance.output()).not.toContain(secret);
  }
});
