import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import type { Api, Credentials } from './api.js';
import { expectAccessible } from './chromium.js';
import { until } from './until.js';

const PICTURES = process.env['SCREENSHOTS'] ?? 'coverage/screenshots';
const SIZES = { phone: { width: 360, height: 740 }, desktop: { width: 1000, height: 800 } };

export const cards = (page: Page) => page.locator('#devices').getByRole('listitem');

export const button = (page: Page | Locator, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' });

export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

export const expectCount = (locator: Locator, count: number) =>
  until(`there are ${count}`, async () => (await locator.count()) === count);

export const expectFits = async (page: Page) =>
  expect(await page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth')).toBe(
    true,
  );

/** What is seen fits and keeps nobody out: on a phone and on a desktop, light and dark. Pictures of all four are kept. */
export async function inspect(page: Page, name: string): Promise<void> {
  for (const [device, size] of Object.entries(SIZES)) {
    await page.setViewportSize(size);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await expectAccessible(page);
      await expectFits(page);
      await picture(page, `${name}-${device}-${colorScheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

export async function open(device: BrowserContext, { url }: Pick<Api, 'url'>): Promise<Page> {
  const page = await device.newPage();
  await page.goto(url);
  return page;
}

/** Fills in the form of the page and sends it. */
export async function fillIn(page: Page, door: 'sign-in' | 'sign-up', { email, password }: Credentials): Promise<void> {
  await page.locator('#signed-out').waitFor();
  if (door === 'sign-up') await page.locator('[data-door="sign-up"]').click();
  await page.locator('#credentials [name=email]').fill(email);
  await page.locator('#credentials [name=password]').fill(password);
  await page.locator('#enter').click();
}

export async function enter(page: Page, door: 'sign-in' | 'sign-up', credentials: Credentials): Promise<void> {
  await fillIn(page, door, credentials);
  await page.locator('#devices-heading').waitFor();
}
