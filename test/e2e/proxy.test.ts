import type { Api } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());
afterEach(() => instance.kill('SIGTERM'));

async function startBehind(trustProxy: string, env: Record<string, string> = {}): Promise<Api> {
  instance = await startInstance({ env: { DATABASE_URL: database.url, TRUST_PROXY: trustProxy, ...env } });
  return instance.api;
}

/** The address the service believes somebody came from, in the device list and in the audit trail. */
async function addressSeen(api: Api, headers: Record<string, string>): Promise<string> {
  const { credentials } = await api.signUp();
  const { body } = await api.login(credentials, { headers });
  const [row] = await database.query<{ ip: string }>('SELECT ip FROM audit_events WHERE session_id = $1', [
    body.session.id,
  ]);
  expect(row!.ip).toBe(body.session.ip);
  return body.session.ip;
}

it('With TRUST_PROXY=off the service believes no proxy header', async () => {
  const api = await startBehind('off');
  for (const name of ['X-Forwarded-For', 'X-Real-IP', 'CF-Connecting-IP', 'True-Client-IP', 'X-Client-IP']) {
    expect([name, await addressSeen(api, { [name]: '203.0.113.9' })]).toEqual([name, '127.0.0.1']);
  }
  expect(await addressSeen(api, { Forwarded: 'for=203.0.113.9' })).toBe('127.0.0.1');
});

it.each([['1'], ['127.0.0.1'], ['10.0.0.0/8, 127.0.0.0/8']])(
  'From a proxy trusted by TRUST_PROXY=%s the service takes the address the proxy added, and none before it',
  async (trustProxy) => {
    const api = await startBehind(trustProxy);
    expect(await addressSeen(api, {})).toBe('127.0.0.1');
    expect(await addressSeen(api, { 'X-Forwarded-For': '203.0.113.9' })).toBe('203.0.113.9');
    expect(await addressSeen(api, { 'X-Forwarded-For': '198.51.100.1, 203.0.113.9' })).toBe('203.0.113.9');
    expect(await addressSeen(api, { 'X-Forwarded-For': '::ffff:203.0.113.9' })).toBe('203.0.113.9');
    expect(await addressSeen(api, { 'X-Forwarded-For': '2001:db8::7' })).toBe('2001:db8::7');
    expect(await addressSeen(api, { 'X-Forwarded-For': '<script>' })).toBe('127.0.0.1');
    expect(await addressSeen(api, { 'X-Real-IP': '198.51.100.1', Forwarded: 'for=198.51.100.1' })).toBe('127.0.0.1');
  },
);

it('With TRUST_PROXY=2 the service takes the second forwarded address from the end', async () => {
  const api = await startBehind('2');
  const headers = { 'X-Forwarded-For': '198.51.100.66, 203.0.113.9, 10.0.0.5' };
  expect(await addressSeen(api, headers)).toBe('203.0.113.9');
});

it('The service does not believe the forwarded address of a proxy that is not trusted', async () => {
  const api = await startBehind('10.0.0.0/8');
  expect(await addressSeen(api, { 'X-Forwarded-For': '203.0.113.9' })).toBe('127.0.0.1');
});

it('A request that a trusted proxy received over plain HTTP is refused with 403 and not redirected', async () => {
  const api = await startBehind('1', { COOKIE_SECURE: 'on' });
  const { credentials, accessToken } = await api.signUp();
  const insecure = { headers: { 'X-Forwarded-Proto': 'http' } };
  for (const answer of [await api.login(credentials, insecure), await api.me(accessToken, insecure.headers)]) {
    expect([answer.status, (answer.body as any).code]).toEqual([403, 'https_required']);
    expect(answer.headers.getSetCookie()).toEqual([]);
  }
  expect((await api.me(accessToken, { 'X-Forwarded-Proto': 'https' })).status).toBe(200);
  // A probe that comes directly.
  expect((await api.call('GET', '/health/ready')).status).toBe(200);
});

it('A header of a client that is no trusted proxy does not make its request count as plain HTTP', async () => {
  const api = await startBehind('10.0.0.0/8', { COOKIE_SECURE: 'on' });
  const { accessToken } = await api.signUp();
  for (const protocol of ['http', 'https']) {
    expect((await api.me(accessToken, { 'X-Forwarded-Proto': protocol })).status).toBe(200);
  }
});

it('A trusted proxy that asks /verify without an address is named in the log, once, and no other is', async () => {
  const warnings = () =>
    instance.output().split('The proxy at 127.0.0.1 asks /verify without X-Forwarded-For').length - 1;
  const unknown = await startBehind('192.0.2.0/24');
  expect((await unknown.call('GET', '/verify')).status).toBe(401);
  await instance.kill('SIGTERM');
  expect(warnings()).toBe(0);

  const api = await startBehind('127.0.0.1');
  const { accessToken: bearer } = await api.signUp();
  const ask = (path: string, headers = {}) => api.call('GET', path, { bearer, headers });
  await ask('/auth/me');
  expect((await ask('/verify', { 'x-forwarded-for': '203.0.113.7' })).status).toBe(200);
  expect(warnings()).toBe(0);
  for (const path of ['/verify', '/verify/below', '/verify']) expect((await ask(path)).status).toBe(200);
  await instance.kill('SIGTERM');
  expect(warnings()).toBe(1);
});
