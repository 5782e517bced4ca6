import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { BrowserContext, Page } from 'playwright-core';
import { button, fillIn, inspect } from '../support/account-page.js';
import { type Api, type Credentials, PASSWORD, someone } from '../support/api.js';
import { TestBrowser } from '../support/chromium.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { Mailbox, SUBJECTS } from '../support/mailbox.js';
import { until } from '../support/until.js';

// A site that knows who is signed in by asking /verify, as a reverse proxy does, and sends to the page who is not.

let database: TestDatabase;
let mailbox: Mailbox;
let site: Server;
let siteUrl: string;
let visits: string[];
/** Whether the site is sent the visit cookie, as it would not be on a host that the cookie does not reach. */
let isReached: boolean;
let instance: Instance;
let api: Api;
let browser: TestBrowser;
let device: BrowserContext;
let page: Page;
let account: Credentials;

function serveSite(): Server {
  return createServer((request, response) => {
    if (request.url === '/favicon.ico') {
      response.writeHead(404).end();
      return;
    }
    visits.push(request.url ?? '');
    const verify = `${api.url}/verify?sign_in=${encodeURIComponent(`${api.url}/`)}`;
    const headers = {
      accept: 'text/html',
      'x-original-url': `${siteUrl}${request.url}`,
      ...(isReached && { cookie: request.headers.cookie ?? '' }),
    };
    void fetch(verify, { headers, redirect: 'manual' }).then((verdict) => {
      const location = verdict.headers.get('location');
      if (location !== null) return response.writeHead(302, { location }).end();
      const email = verdict.headers.get('x-latchkey-email');
      return response
        .writeHead(verdict.status, { 'content-type': 'text/html' })
        .end(`<!doctype html><title>The site</title><p id="who">${email}</p><p id="path">${request.url}</p>`);
    });
  });
}

async function start(env: Record<string, string> = {}): Promise<Instance> {
  const port = String(await freePort());
  return startInstance({
    env: {
      DATABASE_URL: database.url,
      SMTP_URL: mailbox.url,
      PORT: port,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      VISIT_COOKIE: 'on',
      RETURN_TO_ORIGINS: siteUrl,
      ...env,
    },
  });
}

beforeAll(async () => {
  database = await createDatabase();
  mailbox = await Mailbox.open();
  site = serveSite();
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  instance = await start();
  api = instance.api;
  browser = await TestBrowser.launch();
}, 60_000);

beforeEach(async () => {
  visits = [];
  isReached = true;
  account = someone();
  await api.signUp(account);
  device = await browser.device();
  page = await device.newPage();
});

afterEach(() => device.close());

afterAll(async () => {
  try {
    expect(browser.complaints).toEqual([]);
    await expectInvariants(database, { api });
  } finally {
    await browser?.close();
    await instance?.kill('SIGTERM');
    site?.close();
    await mailbox?.stop();
    await database.drop();
  }
});

const isAtSite = async (path: string, at = page) => {
  await at.waitForURL(siteUrl + path);
  await at.locator('#who').filter({ hasText: account.email }).waitFor();
};
const message = (text: string) => page.locator('#message').filter({ hasText: text }).waitFor();
const siteName = () => new URL(siteUrl).host;

it('A site sends a person to sign in, and the page sends them back to where they wanted to go', async () => {
  await page.goto(`${siteUrl}/orders?page=2&sort=date`);
  await page
    .locator('#door-lead')
    .filter({ hasText: `Sign in to go on to ${siteName()}.` })
    .waitFor();
  await inspect(page, 'return-to');
  await fillIn(page, 'sign-in', account);
  await isAtSite('/orders?page=2&sort=date');
  // And not back to the page, which would send them on again.
  await page.goBack().catch(() => null);
  expect(page.url()).not.toContain('return_to');
});

it('Who signs up goes on to the site too', async () => {
  account = someone();
  await page.goto(`${siteUrl}/orders`);
  await page.locator('[data-door="sign-up"]').click();
  expect(await page.locator('#door-lead').textContent()).toBe(`Create an account to go on to ${siteName()}.`);
  await page.locator('[data-door="sign-in"]').first().click();
  await fillIn(page, 'sign-up', account);
  await isAtSite('/orders');
});

it('Who is signed in already goes on to the site at once, also where only another tab holds the access token', async () => {
  await page.goto(api.url);
  await fillIn(page, 'sign-in', account);
  await page.locator('#devices-heading').waitFor();
  // The cookie that the site needs is gone; a refresh sets it again.
  await device.clearCookies({ name: 'visit' });
  const tab = await device.newPage();
  await tab.goto(`${siteUrl}/orders`);
  await isAtSite('/orders', tab);
});

it('A sign-in in another tab lets this one go on', async () => {
  await page.goto(`${siteUrl}/orders`);
  await page.locator('#signed-out').waitFor();
  const tab = await device.newPage();
  await tab.goto(api.url);
  await fillIn(tab, 'sign-in', account);
  await isAtSite('/orders');
});

it('Where a site does not see the sign-in, the page says so instead of sending on without end', async () => {
  isReached = false;
  await page.goto(`${siteUrl}/orders`);
  await fillIn(page, 'sign-in', account);
  // There, back, and once more: then it stays.
  await message(`${siteName()} sent you back although you are signed in`);
  await page.locator('#devices-heading').waitFor();
  expect(visits.length).toBeLessThanOrEqual(2);
  expect(page.url()).toBe(`${api.url}/`);
  await inspect(page, 'return-to-came-back');
  // What happened and the way out of it are one notice: no gap, and nothing between them.
  const [said, link] = await Promise.all(['#message', '#again'].map((id) => page.locator(id).boundingBox()));
  expect(link!.y).toBeLessThanOrEqual(said!.y + said!.height);

  isReached = true;
  await page.getByRole('link', { name: `Try ${siteName()} again` }).click();
  await isAtSite('/orders');
});

it('An address that is not allowed is ignored: the page stays', async () => {
  const evil = siteUrl.replace('127.0.0.1', 'localhost');
  const addresses = [evil, `//${siteName()}/`, `javascript:document.title='taken'`, `${siteUrl}@evil.example/`];
  for (const [i, address] of addresses.entries()) {
    await page.goto(`${api.url}/?return_to=${encodeURIComponent(address)}`);
    // Once by signing in, and then as one who is signed in already.
    if (i === 0) await fillIn(page, 'sign-in', account);
    await page.locator('#devices-heading').waitFor();
    expect(new URL(page.url()).origin).toBe(api.url);
  }
  expect(await page.title()).toContain('Your devices');
  expect(visits).toEqual([]);
});

it('Who sets a new password by a mailed link in the same browser goes on to the site', async () => {
  await page.goto(`${siteUrl}/orders`);
  await page.locator('[data-door="forgot"]').first().click();
  await page.locator('#credentials [name=email]').fill(account.email);
  await page.locator('#enter').click();
  await page.locator('#done').filter({ hasText: 'a mail with a link' }).waitFor();

  const tab = await device.newPage();
  await tab.goto(`${api.url}/auth/password/reset?token=${await mailbox.tokenFor(account.email, SUBJECTS.reset)}`);
  await tab.locator('#new-password').fill(`${PASSWORD} anew`);
  await tab.locator('#act').click();
  await tab.getByRole('link', { name: `Sign in, and go on to ${siteName()}` }).click();
  await fillIn(tab, 'sign-in', { ...account, password: `${PASSWORD} anew` });
  await isAtSite('/orders', tab);
});

it('Who signs up and has to confirm the address first goes on to the site by the mailed link', async () => {
  const strict = await start({ EMAIL_VERIFICATION: 'required' });
  api = strict.api;
  try {
    account = someone();
    await page.goto(`${siteUrl}/orders`);
    await fillIn(page, 'sign-up', account);
    await page.locator('#done').filter({ hasText: 'Confirm your address' }).waitFor();

    const tab = await device.newPage();
    await tab.goto(
      `${api.url}/auth/email/verify?token=${await mailbox.tokenFor(account.email, SUBJECTS.verification)}`,
    );
    await tab.locator('#act').click();
    await tab.getByRole('link', { name: `Sign in, and go on to ${siteName()}` }).click();
    await fillIn(tab, 'sign-in', account);
    await isAtSite('/orders', tab);
  } finally {
    api = instance.api;
    await strict.kill('SIGTERM');
  }
}, 60_000);

it('A sign-out on the page closes every site at once', async () => {
  await page.goto(`${siteUrl}/orders`);
  await fillIn(page, 'sign-in', account);
  await isAtSite('/orders');
  const tab = await device.newPage();
  await tab.goto(api.url);
  await button(tab.locator('#me'), 'Log out').click();
  await tab.locator('#message').filter({ hasText: 'You logged out.' }).waitFor();
  await page.reload();
  await page.locator('#signed-out').waitFor();
  expect(await device.cookies()).toEqual([]);
});

it('A link of a site asks before it signs out, then signs out everywhere in this browser, and leads back', async () => {
  await page.goto(`${siteUrl}/orders`);
  await fillIn(page, 'sign-in', account);
  await isAtSite('/orders');
  const tab = await device.newPage();
  await tab.goto(api.url);
  await tab.locator('#devices-heading').waitFor();

  const signOut = `${api.url}/?sign_out&return_to=${encodeURIComponent(`${siteUrl}/bye`)}`;
  await page.goto(signOut);
  await page.getByRole('heading', { name: 'Log out?' }).waitFor();
  await page.getByText(account.email).first().waitFor();
  await inspect(page, 'signing-out');
  // Nothing happened yet.
  await tab.reload();
  await tab.locator('#devices-heading').waitFor();
  await page.getByRole('link', { name: 'Stay signed in' }).click();
  await isAtSite('/bye');

  await page.goto(signOut);
  await button(page.locator('#signing-out'), 'Log out').click();
  await message('You logged out.');
  await tab.locator('#message').filter({ hasText: 'You logged out.' }).waitFor();
  expect(await device.cookies()).toEqual([]);
  await inspect(page, 'signing-out-done');
  await page.getByRole('link', { name: `Back to ${siteName()}` }).click();
  // Which asks to sign in again, as it is protected.
  await page.waitForURL(/return_to=/);
  await page.locator('#signed-out').waitFor();
});

it('Who is signed out already is told so by the link of a site, and where the page is left without one it asks no more', async () => {
  await page.goto(`${api.url}/?sign_out`);
  await page.locator('#done').filter({ hasText: 'You are logged out.' }).waitFor();
  expect(await page.locator('#back').isVisible()).toBe(false);
  expect(page.url()).toBe(`${api.url}/`);
  await fillIn(page, 'sign-in', account);
  await page.locator('#devices-heading').waitFor();
  await until('the notice goes', async () => (await page.locator('#done').textContent()) === '');
});
