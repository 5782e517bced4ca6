import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';

// What the log says to a developer whose site sends people to the page, and does not get them back.

const ALLOWED = 'http://app.example.com';
const SETTINGS = { RETURN_TO_ORIGINS: `${ALLOWED},http://localhost:8080`, CORS_ORIGINS: 'http://spa.example.com' };
const UNSEEN = 'RETURN_TO_ORIGINS is set but VISIT_COOKIE is off';
let database: TestDatabase;
let development: Instance;
let production: Instance;

beforeAll(async () => {
  database = await createDatabase();
  const start = (env: Record<string, string>) =>
    startInstance({ env: { DATABASE_URL: database.url, ...SETTINGS, ...env } });
  [development, production] = await Promise.all([
    start({ VISIT_COOKIE: 'on' }),
    start({ NODE_ENV: 'production', LOG_LEVEL: 'info' }),
  ]);
});
afterAll(async () => {
  await Promise.all([development, production].map((instance) => instance?.kill('SIGTERM')));
  await database.drop();
});

const warnings = (text: string, instance = development) =>
  instance
    .output()
    .split('\n')
    .filter((line) => line.includes('RETURN_TO_ORIGINS') || line.includes('two sites'))
    .filter((line) => line.includes(text));

/** A browser opens an address of a site whose proxy asks; answers where it is sent. */
async function verify(address: string, { signIn = '', instance = development } = {}): Promise<string | null> {
  const url = `${instance.url}/verify?sign_in=${encodeURIComponent(signIn || `${ALLOWED}/`)}`;
  const headers = { accept: 'text/html', 'x-original-url': address, 'x-forwarded-proto': 'https' };
  return (await fetch(url, { headers, redirect: 'manual' })).headers.get('location');
}
const openPage = (address: string, instance = development) =>
  fetch(`${instance.url}/?return_to=${encodeURIComponent(address)}`, { headers: { 'x-forwarded-proto': 'https' } });

const advice = (origin: string) =>
  `${origin} is not in RETURN_TO_ORIGINS. To let this service send people there, start it with ` +
  `RETURN_TO_ORIGINS=${SETTINGS.RETURN_TO_ORIGINS},${origin}`;

it('A site that people are not sent back to is reported once, with the setting that allows it', async () => {
  const origin = 'https://wiki.example:8443';
  for (const path of ['/', '/orders?page=2']) expect(await verify(origin + path)).toBe(`${ALLOWED}/`);
  await openPage(`${origin}/orders`);
  expect(warnings(origin)).toEqual([expect.stringContaining(`WARN`)]);
  expect(warnings(origin)[0]).toContain(advice(origin));
  // Of the address, only its origin.
  expect(development.output()).not.toContain('/orders');
});

it('So is one that sends people to the page itself, and a page to sign in at that is not allowed', async () => {
  await openPage('http://shop.example/cart');
  expect(warnings('http://shop.example')).toEqual([expect.stringContaining(advice('http://shop.example'))]);
  expect(await verify(`${ALLOWED}/`, { signIn: 'http://login.example/' })).toBeNull();
  expect(warnings('http://login.example')).toEqual([expect.stringContaining(advice('http://login.example'))]);
});

it('A site at another name of this machine is sent to the name that the visit cookie belongs to', async () => {
  const host = new URL(development.url).hostname;
  expect(host).toBe('127.0.0.1');
  await openPage('http://localhost:8080/');
  const there = 'Open the page at http://127.0.0.1:8080: to a browser localhost and 127.0.0.1 are two sites';
  expect(warnings('localhost and 127.0.0.1')).toEqual([expect.stringContaining(there)]);
});

it.each([
  'http://a;{touch,pwned};.b.example:3970/',
  'http://$(reboot).b.example/',
  `http://a'b"c.b.example/`,
  'http://user:secret@b.example/',
  'http://b.example\n2026 WARN RETURN_TO_ORIGINS b.example/',
  'http://\u001b[31mb.example/',
  'blob:http://b.example/0f8fad5b',
  `http://${'b.example.'.repeat(40)}/`,
  'javascript:b.example',
])('What is no plain origin, such as that of %j, is not reported', async (address) => {
  await openPage(address);
  await openPage(encodeURIComponent(address));
  // What no client sends in a header as it is.
  if (!/[^ -~]/.test(address)) await verify(address);
  expect(warnings('b.example')).toEqual([]);
});

it('What is allowed is not reported, and an endless list of origins does not fill the log', async () => {
  expect(await verify(`${ALLOWED}/orders`)).toContain('return_to=');
  await openPage(`${ALLOWED}/orders`);
  expect(warnings(`${ALLOWED} is`)).toEqual([]);
  for (let i = 0; i < 60; i++) await openPage(`https://n${i}.many.example/`);
  expect(warnings('.many.example').length).toBeLessThan(50);
});

it('In production no origin is reported', async () => {
  expect(await verify('https://wiki.example/', { instance: production })).toBe(`${ALLOWED}/`);
  expect((await openPage('https://wiki.example/', production)).status).toBe(200);
  expect(production.output()).not.toContain('wiki.example');
});

it('A service that sends people back, and sets no visit cookie, says so at its start', () => {
  expect(warnings(UNSEEN, production)).toHaveLength(1);
  expect(warnings(UNSEEN)).toEqual([]);
});
