import type { Answer, Api } from '../support/api.js';
import { someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectProblem } from '../support/problem.js';

const REFUSED = 'A browser sent this request from another site.';
const ALLOWED = 'http://app.example.com';
let database: TestDatabase;
let development: Instance;
let production: Instance;

beforeAll(async () => {
  database = await createDatabase();
  [development, production] = await Promise.all([
    startInstance({ env: { DATABASE_URL: database.url, CORS_ORIGINS: `${ALLOWED},http://localhost:4000` } }),
    startInstance({
      env: { DATABASE_URL: database.url, CORS_ORIGINS: ALLOWED, NODE_ENV: 'production', LOG_LEVEL: 'info' },
    }),
  ]);
});
afterAll(async () => {
  await Promise.all([development, production].map((instance) => instance?.kill('SIGTERM')));
  await database.drop();
});

const from = (origin: string, site = 'cross-site') => ({ origin, 'sec-fetch-site': site });
const logIn = (api: Api, origin: string) => api.login(someone(), { headers: from(origin) });
const preflight = (api: Api, origin: string): Promise<Answer> =>
  api.call('OPTIONS', '/auth/login', { headers: { ...from(origin), 'access-control-request-method': 'POST' } });
/** What the log of the development instance says of an origin. */
const warnings = (origin: string) =>
  development
    .output()
    .split('\n')
    .filter((line) => line.includes('WARN') && line.includes(origin));

it('Outside production a request of an origin that is not allowed is refused with the setting that allows it', async () => {
  const origin = 'https://shop.example:5173';
  const advice = `${origin} is not in CORS_ORIGINS. To let its pages call this service, start it with CORS_ORIGINS=${ALLOWED},http://localhost:4000,${origin}`;
  for (const answer of [await logIn(development.api, origin), await preflight(development.api, origin)]) {
    expectProblem(answer, 403, 'cross_site_request');
    expect(answer.body.detail).toBe(`${REFUSED} ${advice}`);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  }
  expect(warnings(origin)).toEqual([expect.stringContaining(advice)]);
});

it('Outside production a read whose answer the browser will hide is explained in the log', async () => {
  const origin = 'https://reader.example';
  expect((await development.api.call('GET', '/health/live', { headers: from(origin) })).status).toBe(200);
  expect(warnings(origin)).toHaveLength(1);
});

it('A page at another name of this machine is sent to the name that the cookies belong to', async () => {
  const { detail } = (await logIn(development.api, 'http://localhost:5173')).body;
  expect(detail).toContain(
    'Open the page at http://127.0.0.1:5173: to a browser localhost and 127.0.0.1 are two sites',
  );
  expect(detail).toMatch(/start it with CORS_ORIGINS=.*,http:\/\/127\.0\.0\.1:5173$/);
});

it('Where an allowed page is at another name of this machine, the log says why its cookies are missing', async () => {
  const origin = 'http://localhost:4000';
  expect((await logIn(development.api, origin)).status).toBe(401);
  expect(warnings(origin.replace('localhost', '127.0.0.1'))).toEqual([
    expect.stringContaining('neither keeps nor sends cookies'),
  ]);
  expect((await logIn(development.api, ALLOWED)).status).toBe(401);
  expect(warnings(`at ${ALLOWED}`)).toEqual([]);
});

it('What is no origin is refused without advice, and an endless list of origins does not fill the log', async () => {
  for (const origin of ['null', 'file://x', 'https://a.example/path', `https://${'a'.repeat(400)}.example`]) {
    expect((await logIn(development.api, origin)).body.detail).toBe(REFUSED);
  }
  for (let i = 0; i < 60; i++) await preflight(development.api, `https://n${i}.many.example`);
  expect(warnings('.many.example').length).toBeLessThan(50);
});

it.each([
  'http://a;{touch,pwned};.b.example:3970',
  'http://$(reboot).b.example',
  'http://`reboot`.b.example',
  'http://a&reboot&.b.example',
  `http://a'b"c.b.example`,
])('The origin %s, which a shell would run when it is pasted, is refused without advice', async (origin) => {
  // To a browser it is an origin all the same.
  expect(new URL(origin).origin).toBe(origin);
  for (const answer of [await logIn(development.api, origin), await preflight(development.api, origin)]) {
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(JSON.stringify(answer.body)).not.toMatch(/b\.example|CORS_ORIGINS/);
  }
  expect((await logIn(development.api, origin)).body.detail).toBe(REFUSED);
  expect(warnings('b.example')).toEqual([]);
});

it.each(['http://[2001:db8::1]:5173', 'http://my_machine.lan'])(
  'The origin %s is one to give advice for',
  async (origin) => {
    expect((await logIn(development.api, origin)).body.detail).toContain(`,${origin}`);
  },
);

it('In production a refusal says no more than that, and the log nothing', async () => {
  const origin = 'https://shop.example';
  const headers = { ...from(origin), 'x-forwarded-proto': 'https' };
  expect((await production.api.login(someone(), { headers })).body.detail).toBe(REFUSED);
  expect((await preflight(production.api, origin)).status).toBe(204);
  expect(production.output()).not.toContain('CORS_ORIGINS');
});
