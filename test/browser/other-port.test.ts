import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { type Api, type Credentials, someone } from '../support/api.js';
import { TestBrowser } from '../support/chromium.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import type { BrowserContext, Page } from 'playwright-core';

let database: TestDatabase;
let server: Server;
let origin: string;
let instance: Instance;
let api: Api;
let browser: TestBrowser;
let device: BrowserContext;
let page: Page;
let account: Credentials;

const readme = readFileSync('src/pages/README.md', 'utf8');
const [, html = ''] = /```html\n([^]*?)```/.exec(readme) ?? [];
const [, script = ''] = /```js\n([^]*?)```/.exec(readme) ?? [];

/** The application of the README, as any static server would serve it. */
function serveApplication(): Server {
  const files: Record<string, () => string> = {
    '/': () => html,
    '/app.mjs': () => script.replaceAll('http://localhost:3000', api.url),
  };
  const types: Record<string, string> = { '/': 'text/html' };
  return createServer((request, response) => {
    const path = request.url ?? '/';
    const content = files[path]?.();
    response.writeHead(content === undefined ? 404 : 200, { 'content-type': types[path] ?? 'text/javascript' });
    response.end(content);
  });
}

beforeAll(async () => {
  expect([html, script].map((text) => text.length > 100)).toEqual([true, true]);
  database = await createDatabase();
  server = serveApplication();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  instance = await startInstance({ env: { DATABASE_URL: database.url, CORS_ORIGINS: origin } });
  api = instance.api;
  browser = await TestBrowser.launch();
}, 60_000);

beforeEach(async () => {
  account = someone();
  await api.signUp(account);
  device = await browser.device();
  page = await device.newPage();
  await page.goto(origin);
  await who('Nobody is signed in.');
});

afterEach(() => device.close());

afterAll(async () => {
  try {
    expect(browser.complaints).toEqual([]);
    await expectInvariants(database, { api });
  } finally {
    await browser?.close();
    await instance?.kill('SIGTERM');
    server?.close();
    await database.drop();
  }
});

const who = (text: string, tab = page) => tab.locator('#who').filter({ hasText: text }).waitFor();

async function signIn(): Promise<void> {
  await page.locator('[name=email]').fill(account.email);
  await page.locator('[name=password]').fill(account.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await who(account.email);
}

it('An application on another port signs in, and a reload and another tab stay signed in', async () => {
  await signIn();
  expect(await device.cookies()).toMatchObject([{ name: 'refresh_token', httpOnly: true, sameSite: 'Strict' }]);
  const refreshed = page.waitForResponse('**/auth/refresh');
  await page.reload();
  expect((await refreshed).status()).toBe(200);
  await who(account.email);

  const tab = await device.newPage();
  await tab.goto(origin);
  await who(account.email, tab);
});

it('An application on another port goes on with a fresh access token where the one it has is over', async () => {
  await signIn();
  const headers = { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' };
  await page.route(
    '**/sessions?limit=1',
    (route) => route.fulfill({ status: 401, headers, json: { code: 'invalid_token', detail: 'Refresh.' } }),
    { times: 1 },
  );
  // As its own code would: with the client that the page loaded.
  const refreshed = page.waitForResponse('**/auth/refresh');
  const count = page.evaluate(`import('${api.url}/client.mjs').then(async ({ LatchkeyClient }) => {
    const latchkey = new LatchkeyClient({ baseUrl: '${api.url}' });
    await latchkey.start();
    return (await latchkey.request('GET', '/sessions', { query: { limit: 1 } })).items.length;
  })`);
  expect((await refreshed).status()).toBe(200);
  expect(await count).toBe(1);
});

it('A logout ends the session of an application on another port, in every tab and after a reload', async () => {
  await signIn();
  const tab = await device.newPage();
  await tab.goto(origin);
  await who(account.email, tab);

  const loggedOut = page.waitForResponse('**/auth/logout');
  await page.getByRole('button', { name: 'Log out' }).click();
  expect((await loggedOut).status()).toBe(204);
  for (const one of [page, tab]) await who('Nobody is signed in.', one);
  expect(await device.cookies()).toEqual([]);
  await page.reload();
  await who('Nobody is signed in.');
});

it('An application on another port hears at once that its session was ended elsewhere', async () => {
  await signIn();
  const { accessToken } = await api.signIn(account);
  await api.logoutOthers(accessToken);
  await who('Nobody is signed in.');
});

it('An application on another port that is not in CORS_ORIGINS cannot sign in', async () => {
  const closed = await startInstance({ env: { DATABASE_URL: database.url, CORS_ORIGINS: 'http://127.0.0.1:1' } });
  const served = script.replaceAll('http://localhost:3000', api.url);
  await page.route('**/app.mjs', (route) =>
    route.fulfill({
      contentType: 'text/javascript',
      body: served.replace(`baseUrl: '${api.url}'`, `baseUrl: '${closed.url}'`),
    }),
  );
  const refused = new Promise<string>((resolve) => {
    page.on('dialog', (dialog) => {
      resolve(dialog.message());
      void dialog.dismiss();
    });
  });
  await page.reload();
  await page.locator('[name=email]').fill(account.email);
  await page.locator('[name=password]').fill(account.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  expect(await refused).toBe('There was no answer.');
  expect(await device.cookies()).toEqual([]);
  // The browser says why.
  expect(browser.complaints.splice(0).join()).toContain('blocked by CORS policy');
  await closed.kill('SIGTERM');
});
