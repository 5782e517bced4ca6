import { readFileSync } from 'node:fs';
import type { BrowserContext, Page } from 'playwright-core';
import { type Credentials, someone } from '../support/api.js';
import { TestBrowser } from '../support/chromium.js';
import { useInstances } from '../support/instances.js';
import { until } from '../support/until.js';

// The client in the tabs of a browser, as its README has it, on a page with a strict policy.

const t = useInstances(2);
let browser: TestBrowser;
let device: BrowserContext;
let account: Credentials;

const [, html = ''] = /```html\n([^]*?)```/.exec(readFileSync('src/client/README.md', 'utf8')) ?? [];
const [, script = ''] = /<script type="module">\n([^]*?)<\/script>/.exec(html) ?? [];

beforeAll(async () => {
  expect(script).toContain('LatchkeyClient');
  browser = await TestBrowser.launch();
});

beforeEach(async () => {
  account = someone();
  await t.a.signUp(account);
  device = await browser.device();
  const policy =
    "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'";
  await device.route('**/app.html', (route) =>
    route.fulfill({
      contentType: 'text/html',
      headers: { 'content-security-policy': policy },
      body: html.replace(script, '').replace('<script type="module">', '<script type="module" src="/app.mjs">'),
    }),
  );
  const app = script
    .replaceAll('http://localhost:3000', t.a.url)
    .replace('ada@example.com', account.email)
    .replace('correct horse battery staple', account.password)
    // For the steps of the tests.
    .replace('const who', 'globalThis.latchkey = latchkey;\n  const who');
  await device.route('**/app.mjs', (route) => route.fulfill({ contentType: 'text/javascript', body: app }));
});

afterEach(() => device.close());

afterAll(async () => {
  try {
    expect(browser.complaints).toEqual([]);
  } finally {
    await browser?.close();
  }
});

const who = (tab: Page, text: string) => tab.locator('#who').filter({ hasText: text }).waitFor();

async function openTab(): Promise<Page> {
  const tab = await device.newPage();
  await tab.goto(`${t.a.url}/app.html`);
  await who(tab, `Signed in as ${account.email}`);
  return tab;
}

/** What a tab has asked the service for. */
function requestsOf(...tabs: Page[]): string[] {
  const paths: string[] = [];
  for (const tab of tabs) tab.on('request', (request) => paths.push(new URL(request.url()).pathname));
  return paths;
}

it('A second tab takes the sign-in of the first without asking the service for it', async () => {
  await openTab();
  const tab = await device.newPage();
  const paths = requestsOf(tab);
  await tab.goto(`${t.a.url}/app.html`);
  await who(tab, `Signed in as ${account.email}`);
  expect(paths.filter((path) => path.startsWith('/auth/'))).toEqual([]);
});

it('Two tabs whose access token is over at the same moment refresh once', async () => {
  const tabs = [await openTab(), await openTab()];
  let refusals = 0;
  await device.route('**/auth/me', async (route) => {
    // Each is refused once, and both before either refreshes.
    if (refusals++ >= 2) return route.continue();
    await until('both have asked', () => refusals >= 2);
    return route.fulfill({ status: 401, json: { code: 'invalid_token', detail: 'Refresh.' } });
  });
  const paths = requestsOf(...tabs);
  const emails = await Promise.all(
    tabs.map((tab) => tab.evaluate(`latchkey.request('GET', '/auth/me').then(({ email }) => email)`)),
  );
  expect(emails).toEqual([account.email, account.email]);
  expect(paths.filter((path) => path === '/auth/refresh')).toHaveLength(1);
});

it('A logout in one tab signs out the other for the same reason, and neither signs in again by itself', async () => {
  const [first, second] = [await openTab(), await openTab()];
  await first.evaluate('latchkey.logOut()');
  for (const tab of [first, second]) {
    await who(tab, 'Signed out: logout');
    expect(await tab.evaluate('[latchkey.isSignedIn, latchkey.signedOutReason]')).toEqual([false, 'logout']);
  }
  expect(await device.cookies()).toEqual([]);
});

it('A session that is ended at another instance is signed out in every tab, with the reason', async () => {
  const tabs = [await openTab(), await openTab()];
  const { accessToken } = await t.b.signIn(account);
  await t.b.logoutOthers(accessToken);
  for (const tab of tabs) await who(tab, 'Signed out: logout_others');
});

it('Another tab goes on with the new session where the password was changed in this browser', async () => {
  const [first, second] = [await openTab(), await openTab()];
  const before = await second.evaluate('latchkey.session.id');
  const passwords = { currentPassword: account.password, newPassword: `${account.password} anew` };
  await first.evaluate(`latchkey.changePassword(${JSON.stringify(passwords)})`);
  const after = await first.evaluate('latchkey.session.id');
  expect(after).not.toBe(before);
  await until(
    'the other tab has the new session',
    async () => (await second.evaluate('latchkey.session?.id')) === after,
  );
  expect(await second.evaluate(`latchkey.request('GET', '/auth/me').then(({ email }) => email)`)).toBe(account.email);
});
