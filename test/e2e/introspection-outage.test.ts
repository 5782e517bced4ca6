import { addClient, signUpStaff } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { type Instance, startInstance } from '../support/instance.js';
import { Introspector } from '../support/introspection.js';
import { expectInvariants } from '../support/invariants.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  proxy = await startDatabaseProxy(database.url);
  const timeouts = { DATABASE_STATEMENT_TIMEOUT_MS: '1000', DATABASE_CONNECT_TIMEOUT_MS: '1000' };
  instance = await startInstance({ env: { DATABASE_URL: proxy.url, ...timeouts } });
}, 60_000);

afterAll(async () => {
  proxy.release();
  try {
    await expectInvariants(database, { api: instance.api, hasFaults: true });
  } finally {
    await instance.kill('SIGTERM');
    proxy.stop();
    await database.drop();
  }
});

it('Every way to ask is answered with 503 and no verdict, and with the same verdicts as before afterwards', async () => {
  const { api } = instance;
  const service = new Introspector(api, await addClient(api, await signUpStaff(api, database), 'introspect', 'verify'));
  const good = await api.signUp();
  const ended = await api.signUp();
  await api.logout(ended.refreshToken);
  const tokens = [good.accessToken, good.refreshToken, ended.accessToken, ended.refreshToken, 'garbage'];
  const ask = () =>
    Promise.all([
      ...tokens.map(async (token) => service.send({ token })),
      service.send({ token: good.accessToken }, { accept: 'application/token-introspection+jwt' }),
    ]);
  const batch = () => service.batch([good.accessToken, 'garbage', ended.accessToken]);
  expect((await ask()).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);

  proxy.hold();
  const [answers, batched] = await Promise.all([ask(), batch()]);
  for (const { status, headers, text } of answers) {
    expect([status, headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    expect(JSON.parse(text)).toEqual({ error: 'temporarily_unavailable', error_description: expect.any(String) });
  }
  expect([batched.status, batched.body.code]).toEqual([503, 'service_unavailable']);
  expect(batched.headers.get('retry-after')).toMatch(/^\d+$/);
  // What needs no database is answered as ever.
  expect((await api.call('GET', '/.well-known/oauth-authorization-server')).status).toBe(200);

  proxy.release();
  await until('the database answers again', async () => (await batch()).status === 200);
  expect((await batch()).body.results.map(({ active }: any) => active)).toEqual([true, false, false]);
  const verdicts = await Promise.all(tokens.map((token) => service.isActive(token)));
  expect(verdicts).toEqual([true, true, false, false, false]);
}, 60_000);
