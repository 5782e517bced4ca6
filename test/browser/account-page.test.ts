import { cards, button, enter, expectCount, expectFits, open, picture } from '../support/account-page.js';
import { type Api, PASSWORD, someone } from '../support/api.js';
import { expectAccessible, TestBrowser } from '../support/chromium.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { until } from '../support/until.js';
import type { Page } from 'playwright-core';

const PHONE = {
  viewport: { width: 360, height: 740 },
  userAgent:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1',
  colorScheme: 'dark',
} as const;

let database: TestDatabase;
let instances: Instance[];
let a: Api;
let b: Api;
let browser: TestBrowser;

beforeAll(async () => {
  database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  instances = await Promise.all([startInstance({ env }), startInstance({ env })]);
  [a, b] = instances.map(({ api }) => api) as [Api, Api];
  browser = await TestBrowser.launch();
}, 60_000);

afterAll(async () => {
  try {
    expect(browser.complaints).toEqual([]);
    await expectInvariants(database, { api: a });
  } finally {
    await browser?.close();
    await Promise.all((instances ?? []).map((instance) => instance.kill('SIGTERM')));
    await database.drop();
  }
});

/** Something that begins, and goes on once it is let. */
function held() {
  let begin!: () => void;
  let end!: () => void;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const release = new Promise<void>((resolve) => (end = resolve));
  return { begin, begun, end, release };
}

it('The account page shows the devices of two browsers on two instances, and signs one out from the other at once', async () => {
  const account = { ...someone(), email: 'ada@example.com' };
  const [laptop, phone] = [
    await browser.device({ viewport: { width: 900, height: 800 } }),
    await browser.device(PHONE),
  ];
  const mine = await open(laptop, a);
  await expectAccessible(mine);
  await picture(mine, 'sign-in');
  await enter(mine, 'sign-up', account);
  await expectCount(cards(mine), 1);
  expect(await mine.locator('#summary').textContent()).toBe('You are signed in on this device only.');

  const theirs = await open(phone, b);
  await expectFits(theirs);
  await enter(theirs, 'sign-in', account);
  // Without asking.
  await expectCount(cards(mine), 2);
  const ofPhone = cards(mine).filter({ has: mine.locator('use[href="#mobile"]') });
  expect(await ofPhone.textContent()).toContain('From 127.0.0.1');
  expect(await ofPhone.textContent()).toContain('just now');
  expect(
    await cards(mine)
      .filter({ has: mine.locator('.badge:visible') })
      .count(),
  ).toBe(1);

  // What a person writes is text, whatever it looks like.
  for (const name of ['<b>Phone</b>', 'Ada\u2019s phone']) {
    await ofPhone.getByRole('button', { name: /^Rename/ }).click();
    await ofPhone.getByLabel('New name').fill(name);
    await mine.keyboard.press('Enter');
    await theirs.getByText(name).waitFor();
  }
  for (const page of [mine, theirs]) {
    await expectAccessible(page);
    await expectFits(page);
  }
  await picture(mine, 'devices');
  await picture(theirs, 'devices-on-a-phone');

  const startedAt = performance.now();
  await cards(mine)
    .filter({ has: mine.locator('.title', { hasText: 'phone' }) })
    .getByRole('button', { name: /^Log out/ })
    .click();
  await theirs.getByText('You were logged out on another device.').waitFor({ timeout: 2000 });
  process.stderr.write(`the other browser turned ${(performance.now() - startedAt).toFixed(0)} ms after the click\n`);
  await theirs.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(await theirs.evaluate(`performance.getEntriesByType('navigation').length`)).toBe(1);
  await expectAccessible(theirs);
  await picture(theirs, 'signed-out');
  await expectCount(cards(mine), 1);
  await Promise.all([laptop, phone].map((device) => device.close()));
}, 60_000);

it('The account page logs out all other devices, and logs out everywhere', async () => {
  const account = someone();
  const devices = await Promise.all(Array.from({ length: 3 }, () => browser.device()));
  const pages: Page[] = [];
  for (const [i, device] of devices.entries()) pages.push(await open(device, i % 2 ? b : a));
  const [first, second, third] = pages as [Page, Page, Page];
  await enter(first, 'sign-up', account);
  await enter(second, 'sign-in', account);
  await enter(third, 'sign-in', account);

  await expectCount(cards(first), 3);
  await button(first, 'Log out all others').click();
  for (const page of [second, third]) await page.getByText('You were logged out on another device.').waitFor();
  await expectCount(cards(first), 1);

  await enter(second, 'sign-in', account);
  await button(second, 'Log out everywhere').click();
  for (const page of [first, second]) await page.getByText('You were logged out on all your devices.').waitFor();
  // And a reload does not bring them back.
  await first.reload();
  await first.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(
    await database.query(
      'SELECT FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1 AND revoked_at IS NULL',
      [account.email],
    ),
  ).toEqual([]);
  await Promise.all(devices.map((device) => device.close()));
}, 60_000);

it('Five tabs of the account page share one sign-in without conflict, and no script or storage has its token', async () => {
  const account = someone();
  const device = await browser.device();
  const first = await open(device, a);
  await enter(first, 'sign-up', account);
  const cookies = await device.cookies();
  expect(cookies).toMatchObject([{ name: 'refresh_token', httpOnly: true, sameSite: 'Strict', path: '/' }]);
  expect(await first.evaluate('document.cookie')).toBe('');
  expect(await first.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage })')).not.toMatch(/eyJ|v1\./);

  const tabs = [first, ...(await Promise.all(Array.from({ length: 4 }, () => open(device, a))))];
  for (const tab of tabs) await tab.getByRole('heading', { name: 'Your devices' }).waitFor();
  // All at once, with nothing to share.
  await Promise.all(tabs.map((tab) => tab.reload()));
  for (const tab of tabs) await expectCount(cards(tab), 1);
  const refreshes = await Promise.all(
    tabs.map((tab) => tab.evaluate(() => fetch('/auth/refresh', { method: 'POST' }).then(({ status }) => status))),
  );
  expect(refreshes).toEqual([200, 200, 200, 200, 200]);
  expect(
    await database.query(
      'SELECT FROM audit_events WHERE type = $1 AND user_id = (SELECT id FROM users WHERE email = $2)',
      ['refresh_token_reused', account.email],
    ),
  ).toEqual([]);

  // The tabs hear of it from their streams, perhaps before the answer that clears the cookie has arrived.
  const answered = tabs[2]!.waitForResponse('**/auth/logout');
  await button(tabs[2]!, 'Log out').click();
  await answered;
  for (const tab of tabs) await tab.getByText('You logged out.').waitFor();
  expect(await device.cookies()).toEqual([]);
  await device.close();
}, 60_000);

it('No cookie is left when one tab of the account page logs out while another refreshes', async () => {
  const account = someone();
  const device = await browser.device();
  const leaving = await open(device, a);
  await enter(leaving, 'sign-up', account);
  const refreshing = await open(device, a);
  await expectCount(cards(refreshing), 1);

  // What the next look at the list finds is that the access token is over. The answer to the refresh then takes long.
  await refreshing.route(
    '**/sessions?*',
    (route) => route.fulfill({ status: 401, json: { code: 'invalid_token', detail: 'Refresh.' } }),
    { times: 1 },
  );
  const refresh = held();
  await refreshing.route('**/auth/refresh', async (route) => {
    const response = await route.fetch();
    refresh.begin();
    await refresh.release;
    await route.fulfill({ response });
  });
  await a.signIn(account);
  await refresh.begun;

  const loggedOut = leaving.waitForResponse('**/auth/logout');
  await button(leaving, 'Log out').click();
  // As long as a logout that does not wait for the refresh would take.
  await Promise.race([loggedOut, leaving.waitForTimeout(1000)]);
  const refreshed = refreshing.waitForResponse('**/auth/refresh');
  refresh.end();
  await Promise.all([refreshed, loggedOut]);
  for (const tab of [leaving, refreshing]) await tab.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(await device.cookies()).toEqual([]);
  await device.close();
}, 60_000);

it('The account page says that it is offline, and catches up by itself', async () => {
  const account = someone();
  const device = await browser.device();
  const page = await open(device, a);
  await enter(page, 'sign-up', account);
  await expectCount(cards(page), 1);
  await device.setOffline(true);
  await page.getByText('You are offline.').waitFor();
  await picture(page, 'offline');
  await button(page, 'Log out everywhere').click();
  await page.locator('#message').filter({ hasText: 'The service cannot be reached.' }).waitFor();

  await b.signIn(account);
  await device.setOffline(false);
  await expectCount(cards(page), 2);
  for (const notice of ['#connection', '#message']) {
    await until('the notice goes', async () => (await page.locator(notice).textContent()) === '');
  }
  await device.close();
}, 60_000);

it('The account page says what was wrong without disclosing accounts, and works by the keyboard alone', async () => {
  const account = someone();
  await a.signUp({ email: account.email });
  const device = await browser.device();
  const page = await open(device, a);
  await page.getByLabel('E-mail', { exact: true }).fill(account.email);
  await page.getByLabel('Password', { exact: true }).fill('not the password');
  await page.locator('#enter').click();
  await page.getByText('E-mail or password is wrong.').waitFor();
  await page.locator('[data-door="sign-up"]').click();
  await page.getByLabel('Password', { exact: true }).fill('short');
  await page.locator('#enter').click();
  await page.locator('.error').filter({ hasText: 'Password must have at least 8 characters.' }).waitFor();
  await page.locator('[data-door="forgot"]').click();
  await page.locator('#enter').click();
  await page.getByText('If there is such an account, a mail with a link is on its way.').waitFor();
  await expectAccessible(page);
  // By the keyboard alone.
  await page.locator('[data-door="sign-in"]:visible').press('Enter');
  await page.keyboard.type(account.email);
  await page.keyboard.press('Control+A');
  await page.keyboard.type(account.email);
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Your devices' }).waitFor();
  await device.close();
}, 60_000);

it('The account page says that the service cannot answer, and no longer once it does', async () => {
  const account = someone();
  const device = await browser.device();
  const page = await open(device, a);
  await enter(page, 'sign-up', account);
  await expectCount(cards(page), 1);

  const unavailable = { status: 503, json: { status: 503, code: 'service_unavailable', detail: 'Not now.' } };
  await page.route('**/sessions?*', (route) => route.fulfill(unavailable));
  await b.signIn(account);
  const connection = page.locator('#connection');
  await connection.filter({ hasText: 'The service cannot answer right now.' }).waitFor();
  await expectCount(cards(page), 1);
  await page.unroute('**/sessions?*');
  await expectCount(cards(page), 2);
  await until('the notice goes', async () => (await connection.textContent()) === '');

  // From the start as well: it neither signs out nor gives up.
  await page.route('**/auth/refresh', (route) => route.fulfill(unavailable));
  await page.reload();
  await connection.filter({ hasText: 'The service cannot answer right now.' }).waitFor();
  expect(await page.locator('#loading').isVisible()).toBe(true);
  await page.unroute('**/auth/refresh');
  await expectCount(cards(page), 2);
  await until('the notice goes', async () => (await connection.textContent()) === '');
  await device.close();
}, 60_000);

it('Where no more streams may be opened the account page shows the list and says why it is not live', async () => {
  const narrow = await startInstance({ env: { DATABASE_URL: database.url, MAX_STREAMS_PER_SESSION: '1' } });
  const device = await browser.device();
  const first = await open(device, narrow.api);
  await enter(first, 'sign-up', someone());
  await expectCount(cards(first), 1);
  const second = await open(device, narrow.api);
  await second.locator('#connection').filter({ hasText: 'Too many tries.' }).waitFor();
  await expectCount(cards(second), 1);
  await device.close();
  await narrow.kill('SIGTERM');
}, 60_000);

it('Who signs up is shown the way to the mail of a development server, where one is sent', async () => {
  for (const [setting, mail] of [
    ['optional', 'A mail with a link to confirm your address is on its way.'],
    ['off', ''],
  ]) {
    const instance = await startInstance({ env: { DATABASE_URL: database.url, EMAIL_VERIFICATION: setting } });
    const page = await open(await browser.device(), instance.api);
    const account = someone();
    await enter(page, 'sign-up', account);
    await expectCount(cards(page), 1);
    await until('it says so', async () => (await page.locator('#done').textContent()) === mail);
    expect(await page.locator('#mailbox').isVisible()).toBe(mail !== '');
    if (mail !== '') {
      const [mailbox] = await Promise.all([
        page.context().waitForEvent('page'),
        page.locator('#mailbox').getByRole('link').click(),
      ]);
      // The mail may come after the page.
      await until('the mail is listed', async () => {
        await mailbox.reload();
        return mailbox.getByRole('link', { name: account.email }).isVisible();
      });
    }
    await page.context().close();
    await instance.kill('SIGTERM');
  }
}, 60_000);

it('With ACCOUNT_PAGE=off there is no account page', async () => {
  const without = await startInstance({ env: { DATABASE_URL: database.url, ACCOUNT_PAGE: 'off' } });
  for (const path of ['/', '/page/page.mjs']) {
    expect((await without.api.call('GET', path)).body.code).toBe('not_found');
  }
  await without.kill('SIGTERM');
}, 60_000);
