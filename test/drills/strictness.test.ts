import type { AuthResult } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { endUnderLoad } from '../support/ending-under-load.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { until } from '../support/until.js';

// One instance has its database far away, behind a proxy; the other one beside it.
let database: TestDatabase;
let proxy: DatabaseProxy;
let far: Instance;
let near: Instance;

beforeAll(async () => {
  database = await createDatabase();
  proxy = await startDatabaseProxy(database.url);
  const env = {
    SESSION_CHECK_TIMEOUT_MS: '60000',
    DATABASE_STATEMENT_TIMEOUT_MS: '60000',
    PASSWORD_HASH_PARALLEL: '2',
  };
  [far, near] = await Promise.all([
    startInstance({ env: { ...env, DATABASE_URL: proxy.url } }),
    startInstance({ env: { ...env, DATABASE_URL: database.url } }),
  ]);
});

afterAll(async () => {
  await Promise.all([far, near].map((instance) => instance?.kill('SIGTERM')));
  proxy?.stop();
  await expectInvariants(database);
  await database.drop();
});

/** By now the instance has read what was sent to it before: it answers a request that came later. */
const hasReadAll = async ({ api }: Instance) => {
  await api.call('GET', '/health/live', { headers: { connection: 'close' } });
  await api.call('GET', '/health/live', { headers: { connection: 'close' } });
};

it('A request that starts after a revocation never joins a session query that started before it', async () => {
  const device = await near.api.signUp();
  // Verified a moment ago, so that nothing but the query decides.
  expect((await far.api.me(device.accessToken)).status).toBe(200);

  proxy.hold();
  const before = far.api.me(device.accessToken);
  await until('the answer to its query is on the way', () => proxy.held('session_states') > 0);
  expect((await near.api.logout(device.refreshToken)).status).toBe(204);
  const after = Promise.all([1, 2, 3].map(() => far.api.me(device.accessToken)));
  await hasReadAll(far);
  proxy.release();

  expect((await before).status).toBe(200);
  expect((await after).map(({ status, body }) => [status, body.code])).toEqual(
    Array.from({ length: 3 }, () => [401, 'session_revoked']),
  );
});

it('With a slow database and constant requests, no request that starts after a logout is served', async () => {
  const owner = await near.api.signUp();
  const devices: AuthResult[] = [];
  while (devices.length < 60) {
    devices.push(...(await Promise.all([1, 2, 3].map(() => near.api.signIn(owner.credentials)))).slice(0, 3));
  }
  proxy.delay(20);
  const { accepted, tooLate } = await endUnderLoad(
    devices,
    ({ accessToken }) => far.api.me(accessToken),
    ({ refreshToken }) => near.api.logout(refreshToken),
  );
  proxy.delay(0);

  expect(accepted.length).toBeGreaterThan(0);
  expect(tooLate).toEqual([]);
}, 60_000);
