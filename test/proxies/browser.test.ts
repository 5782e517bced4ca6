import type { Page } from 'playwright-core';
import { fillIn } from '../support/account-page.js';
import { someone } from '../support/api.js';
import { TestBrowser } from '../support/chromium.js';
import { until } from '../support/until.js';
import { PROXIES, useForwardAuth } from './forward-auth.js';

// What a person sees of it, in a real browser.

const t = useForwardAuth();
let browser: TestBrowser;

beforeAll(async () => {
  browser = await TestBrowser.launch();
}, 60_000);
afterAll(async () => {
  await browser?.close();
  expect(browser.complaints).toEqual([]);
});

/** The header about the user that the dashboard shows, once it is open. */
async function emailShown(page: Page, url: string): Promise<string | undefined> {
  await page.waitForURL(url);
  const { headers } = JSON.parse(await page.locator('body').innerText());
  return headers.find(([name]: [string]) => name === 'x-latchkey-email')?.[1];
}

it.each(PROXIES)(
  'A person opens a site behind %s, signs up at the page, is back, and after signing out is not let in',
  async (name) => {
    const account = someone();
    const device = await browser.device();
    const page = await device.newPage();
    const site = `${t.proxy(name).url}/reports?month=11&year=2026`;

    await page.goto(site);
    expect(new URL(page.url()).origin).toBe(t.latchkey.url);
    await fillIn(page, 'sign-up', account);
    expect(await emailShown(page, site)).toBe(account.email);

    const other = await device.newPage();
    await other.goto(t.latchkey.url);
    await other.locator('#log-out').click();
    await other.locator('#signed-out').waitFor();

    t.dashboard.seen.length = 0;
    await page.reload();
    await until('it is sent to the page', () => new URL(page.url()).origin === t.latchkey.url);
    expect(t.dashboard.seen).toEqual([]);
    await device.close();
  },
);
