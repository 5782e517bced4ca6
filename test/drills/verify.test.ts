import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { endUnderLoad } from '../support/ending-under-load.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { type Api, someone } from '../support/api.js';
import { until } from '../support/until.js';

// One instance has its database far away, behind a proxy; the other one beside it.
let database: TestDatabase;
let proxy: DatabaseProxy;
let far: Instance;
let near: Instance;

beforeAll(async () => {
  database = await createDatabase();
  proxy = await startDatabaseProxy(database.url);
  const env = { VISIT_COOKIE: 'on' };
  [far, near] = await Promise.all([
    startInstance({ env: { ...env, DATABASE_URL: proxy.url } }),
    startInstance({ env: { ...env, DATABASE_URL: database.url } }),
  ]);
});

afterAll(async () => {
  await Promise.all([far, near].map((instance) => instance?.kill('SIGTERM')));
  proxy?.stop();
  await expectInvariants(database, { hasFaults: true });
  await database.drop();
});

async function browser(api: Api) {
  const { body, headers } = await api.register({ ...someone(), tokenDelivery: 'cookie' });
  const [refresh = '', visit = ''] = headers.getSetCookie().map((one) => one.split(';')[0]!);
  return { ...body, refresh, visit };
}

const question = '/verify?audience=https://app.example.com&sign_in=http://localhost:3000/';
/** With its access token, and as a browser that opens a page. */
const bothWays = ({ accessToken, visit }: { accessToken: string; visit: string }, api: Api) =>
  Promise.all([
    api.call('GET', question, { bearer: accessToken }),
    api.call('GET', question, { cookie: visit, headers: { accept: 'text/html' } }),
  ]);

it('A session that was logged out at one instance is let in at no other, from the answer on', async () => {
  const statuses = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const [here, there] = i % 2 ? [near.api, far.api] : [far.api, near.api];
    const device = await browser(here);
    const before = await bothWays(device, there);
    await here.call('POST', '/auth/logout', { cookie: device.refresh });
    const after = await Promise.all(
      [device.accessToken, undefined].map((bearer) =>
        there.call('GET', '/verify', bearer === undefined ? { cookie: device.visit } : { bearer }),
      ),
    );
    statuses.add(JSON.stringify([...before, ...after].map(({ status, body }) => [status, body?.code])));
  }
  expect([...statuses]).toEqual([
    JSON.stringify([
      [200, undefined],
      [200, undefined],
      [401, 'session_revoked'],
      [401, 'session_revoked'],
    ]),
  ]);
}, 60_000);

it('While the database does not answer there is no verdict: 503 with Retry-After, and nobody is sent to sign in', async () => {
  const device = await browser(near.api);
  expect((await bothWays(device, far.api)).map(({ status }) => status)).toEqual([200, 200]);

  proxy.hold();
  const paused = await bothWays(device, far.api);
  proxy.release();
  proxy.cut();
  const gone = await bothWays(device, far.api);
  proxy.restore();
  for (const { status, headers, body } of [...paused, ...gone]) {
    expect([status, body.code, headers.get('location')]).toEqual([503, 'service_unavailable', null]);
    expect(headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect([...headers.keys()].filter((name) => /^x-latchkey|set-cookie/.test(name))).toEqual([]);
  }
  // What no question to the database is needed for is refused all the same.
  expect((await far.api.call('GET', '/verify', { bearer: 'forged' })).status).toBe(401);
  await until('it has recovered', async () => (await bothWays(device, far.api)).every(({ status }) => status === 200));
}, 60_000);

it('With questions all the time, none that starts after an answered logout is let in', async () => {
  const devices = await Promise.all(Array.from({ length: 60 }, () => browser(near.api)));
  proxy.delay(10);
  const { accepted, tooLate } = await endUnderLoad(
    devices,
    ({ accessToken, visit }, turn) =>
      far.api.call('GET', '/verify', turn % 2 ? { bearer: accessToken } : { cookie: visit }),
    ({ refresh }) => near.api.call('POST', '/auth/logout', { cookie: refresh }),
  );
  proxy.delay(0);

  expect(accepted.length).toBeGreaterThan(0);
  expect(tooLate).toEqual([]);
}, 60_000);
