import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff, type TestClient } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { freePort } from '../support/free-port.js';
import { type HttpProxy, type OwnAnswer, startHttpProxy } from '../support/http-proxy.js';
import { type Instance, startInstance } from '../support/instance.js';
import { type ProtectedService, serveExpress } from '../support/protected-services.js';
import { until } from '../support/until.js';
import { makeVerifier, type TestVerifier, verdictOf } from '../support/verifiers.js';

// Whatever is wrong with Latchkey or between it and a service: 503, and never 200 or 401.
let database: TestDatabase;
let databaseProxy: DatabaseProxy;
let instance: Instance;
let port: number;
let proxy: HttpProxy;
let client: TestClient;
let login: AuthResult;

const start = () => startInstance({ env: { DATABASE_URL: databaseProxy.url, PORT: String(port) } });

beforeAll(async () => {
  database = await createDatabase();
  databaseProxy = await startDatabaseProxy(database.url);
  port = await freePort();
  instance = await start();
  proxy = await startHttpProxy(instance.url);
  client = await addClient(instance.api, await signUpStaff(instance.api, database), 'verify');
  login = await instance.api.signUp();
}, 60_000);

afterAll(async () => {
  proxy?.stop();
  await instance?.kill('SIGTERM');
  databaseProxy?.stop();
  await database?.drop();
});

const mine = ({ api }: ProtectedService, bearer = login.accessToken) => api.call('GET', '/mine', { bearer });

it('While Latchkey is killed every answer is 503, and once it is back tokens are accepted and refused as they should be', async () => {
  const { verifier, reported } = makeVerifier(instance.url, client);
  const service = await serveExpress(verifier);
  const ended = await instance.api.signIn(await credentialsOfOther());
  expect([(await mine(service)).status, (await mine(service, ended.accessToken)).status]).toEqual([200, 200]);
  expect((await instance.api.logout(ended.refreshToken)).status).toBe(204);
  await instance.kill('SIGKILL');
  for (const token of [login.accessToken, ended.accessToken]) {
    const { status, headers, body } = await mine(service, token);
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'service_unavailable', '1']);
  }
  expect((await mine(service, 'forged')).status).toBe(401);
  expect(reported.at(-1)).toMatchObject({ reason: 'unreachable', message: expect.stringContaining(instance.url) });

  instance = await start();
  expect((await mine(service)).status).toBe(200);
  expect((await mine(service, ended.accessToken)).status).toBe(401);
  await service.close();
});

const credentialsOfOther = async () => (await instance.api.signUp()).credentials;

it('A verifier that starts while Latchkey is away answers 503 until it is back', async () => {
  const { verifier, reported } = makeVerifier(proxy.url, client);
  proxy.cut();
  expect(await verdictOf(verifier.verify(login.accessToken))).toBe('unreachable');
  await expect(verifier.ready()).rejects.toMatchObject({ reason: 'unreachable' });
  expect(reported.length).toBe(2);
  proxy.restore();
  await verifier.ready();
  expect(await verdictOf(verifier.verify(login.accessToken))).toBe('accepted');
  await verifier.close();
});

it('While the database does not answer, the answer is 503 with Retry-After', async () => {
  const { verifier, reported } = makeVerifier(instance.url, client);
  const service = await serveExpress(verifier);
  expect((await mine(service)).status).toBe(200);
  databaseProxy.hold();
  const { status, headers, body } = await mine(service);
  expect([status, body.code]).toEqual([503, 'service_unavailable']);
  expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(reported.at(-1)).toMatchObject({ reason: 'server_error' });
  databaseProxy.release();
  await until('it is served again', async () => (await mine(service)).status === 200);
  await service.close();
});

it('An answer that comes too late is 503', async () => {
  const { verifier, reported } = makeVerifier(proxy.url, client, { timeoutMs: 1000 });
  await until('it was accepted once', () => verifier.verify(login.accessToken).catch(() => null));
  proxy.hold();
  expect(await verdictOf(verifier.verify(login.accessToken))).toBe('timeout');
  proxy.release();
  expect(reported.at(-1)!.message).toContain('did not answer within');
  await until('it is accepted again', () => verifier.verify(login.accessToken).catch(() => null));
  await verifier.close();
});

describe('a service client that Latchkey refuses', () => {
  const refused = async (made: TestVerifier, words: RegExp) => {
    const { verifier, reported } = made;
    const service = await serveExpress(verifier);
    const { status, headers, body } = await mine(service);
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'service_unavailable', '5']);
    expect(JSON.stringify(body)).not.toMatch(/client|secret|scope/i);
    expect(reported.map(({ reason }) => reason)).toEqual(['client_refused']);
    expect(reported[0]!.message).toMatch(words);
    expect(reported[0]!.message).not.toContain(client.clientSecret);
    await expect(verifier.ready()).rejects.toThrow(words);
    await service.close();
  };

  it('A wrong secret is 503 for callers, and said to developers in words', async () => {
    await refused(
      makeVerifier(proxy.url, { ...client, clientSecret: `${client.clientSecret}x` }),
      /clientSecret is wrong/,
    );
  });

  it('A client that does not exist is, too', async () => {
    await refused(makeVerifier(proxy.url, { ...client, id: 'nobody' }), /clientId or clientSecret/);
  });

  it('A client without the scope is, too', async () => {
    const staff = await signUpStaff(instance.api, database);
    await refused(makeVerifier(proxy.url, await addClient(instance.api, staff, 'introspect')), /scope "verify"/);
  });

  it('Latchkey is not asked again for five seconds, since it counts such failures', async () => {
    const { verifier, reported } = makeVerifier(proxy.url, { ...client, clientSecret: 'wrong' });
    for (let time = 0; time < 10; time++) {
      expect(await verdictOf(verifier.verify(login.accessToken))).toBe('client_refused');
    }
    const attempts = () => proxy.asked.filter(({ authorization }) => authorization === wrong).length;
    const wrong = `Basic ${Buffer.from(`${client.id}:wrong`).toString('base64')}`;
    expect([attempts(), reported.length]).toEqual([1, 1]);
    const now = performance.now();
    const clock = jest.spyOn(performance, 'now').mockReturnValue(now + 5001);
    expect(await verdictOf(verifier.verify(login.accessToken))).toBe('client_refused');
    clock.mockRestore();
    expect(attempts()).toBe(2);
    await verifier.close();
  });
});

describe('answers that are not those of Latchkey', () => {
  const answers: Record<string, [OwnAnswer, string]> = {
    'a redirect': [{ status: 302, headers: { location: 'https://elsewhere.example.com/' } }, 'unexpected_answer'],
    'a redirect that keeps the method': [{ status: 307, headers: { location: '/other' } }, 'unexpected_answer'],
    'a redirect that says what would be a verdict': [
      { status: 302, headers: { location: '/' }, body: '{"results":[{"active":false}],"keys":[{}]}' },
      'unexpected_answer',
    ],
    'a page': [
      { status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Welcome</h1>' },
      'unexpected_answer',
    ],
    'no results': [{ status: 200, body: '{}' }, 'unexpected_answer'],
    'too few results': [{ status: 200, body: '{"results":[]}' }, 'unexpected_answer'],
    'results that say nothing': [{ status: 200, body: '{"results":[{}]}' }, 'unexpected_answer'],
    'somebody else': [{ status: 200, body: '{"results":[{"active":true,"sub":"a","sid":"b"}]}' }, 'unexpected_answer'],
    null: [{ status: 200, body: 'null' }, 'unexpected_answer'],
    'not found': [{ status: 404, body: '{}' }, 'unexpected_answer'],
    'bad request': [{ status: 400, body: '{}' }, 'unexpected_answer'],
    'a failure of a proxy': [{ status: 502, body: 'Bad Gateway' }, 'server_error'],
    'more than anybody reads': [{ status: 200, body: ' '.repeat(5_000_000) }, 'unexpected_answer'],
  };

  it.each(Object.entries(answers))('A token is neither accepted nor refused by %s', async (_name, [answer, reason]) => {
    const { verifier, reported } = makeVerifier(proxy.url, client);
    await until('it was accepted once', () => verifier.verify(login.accessToken).catch(() => null));
    proxy.answer(answer);
    expect(await verdictOf(verifier.verify(login.accessToken))).toBe(reason);
    // Nor without keys.
    const { verifier: fresh } = makeVerifier(proxy.url, client);
    expect(await verdictOf(fresh.verify(login.accessToken))).toBe(reason);
    proxy.answer(null);
    expect(reported.length).toBeLessThanOrEqual(1);
    await Promise.all([verifier.close(), fresh.close()]);
  });

  it('A Retry-After of Latchkey is passed on, and one without end is not', async () => {
    const { verifier } = makeVerifier(proxy.url, client);
    await until('it was accepted once', () => verifier.verify(login.accessToken).catch(() => null));
    for (const [sent, passed] of [
      ['7', 7],
      ['86400', 60],
      ['soon', 1],
    ] as const) {
      proxy.answer({ status: 503, headers: { 'retry-after': sent } });
      await expect(verifier.verify(login.accessToken)).rejects.toMatchObject({ retryAfterSeconds: passed });
    }
    proxy.answer(null);
    await verifier.close();
  });

  it('Keys that nobody could verify with are said to developers', async () => {
    const { verifier, reported } = makeVerifier(proxy.url, client);
    proxy.answer({ status: 200, body: '{"keys":[]}' });
    expect(await verdictOf(verifier.verify(login.accessToken))).toBe('no_keys');
    expect(reported[0]!.message).toContain('JWT_ALGORITHM must be ES256');
    proxy.answer(null);
    await verifier.close();
  });
});
