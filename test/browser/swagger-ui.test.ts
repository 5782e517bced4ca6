import type { Locator, Page } from 'playwright-core';
import { someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { TestBrowser } from '../support/chromium.js';

const t = useApp();
let browser: TestBrowser;
let page: Page;

beforeAll(async () => {
  browser = await TestBrowser.launch();
  page = await (await browser.device({ viewport: { width: 1200, height: 1400 } })).newPage();
});
afterAll(() => browser?.close());

const operation = (id: string): Locator => page.locator(`[id^="operations-"][id$="-${id}"]`);

/** Opens an operation, tries it out, and returns the status and body the page shows. */
async function tryOut(
  id: string,
  { body, path }: { body?: object; path?: string } = {},
): Promise<{ status: number; body: any }> {
  const block = operation(id);
  if (!(await block.getByRole('button', { name: 'Execute' }).isVisible())) {
    if (!(await block.locator('.opblock-body').isVisible())) {
      await block.locator('.opblock-summary-control').click();
    }
    await block.getByRole('button', { name: 'Try it out' }).click();
  }
  if (body) await block.locator('textarea.body-param__text').fill(JSON.stringify(body));
  if (path !== undefined) await block.getByPlaceholder('id', { exact: true }).fill(path);

  const answered = page.waitForResponse((response) => ['fetch', 'xhr'].includes(response.request().resourceType()));
  await block.getByRole('button', { name: 'Execute' }).click();
  const response = await answered;
  const shown = block.locator('.live-responses-table tbody .response-col_status');
  await shown.filter({ hasText: String(response.status()) }).waitFor();
  const text = await response.text().catch(() => '');
  return { status: response.status(), body: text === '' ? null : JSON.parse(text) };
}

async function authorize(accessToken: string): Promise<void> {
  await page.locator('.auth-wrapper .authorize').first().click();
  const dialog = page.locator('.dialog-ux');
  const bearer = dialog.locator('.auth-container').filter({ hasText: 'bearer' });
  const logout = bearer.getByRole('button', { name: 'Logout' });
  if (await logout.isVisible()) await logout.click();
  await bearer.locator('input').fill(accessToken);
  await bearer.getByRole('button', { name: 'Apply credentials' }).click();
  await dialog.getByRole('button', { name: 'Close', exact: true }).last().click();
}

it('A person can register, manage devices, refresh and log out from the page at /docs', async () => {
  await page.goto(`${t.api.url}/docs`);
  await page.locator('.opblock').first().waitFor();
  const credentials = someone();

  // The laptop: this browser.
  const registered = await tryOut('register', { body: { ...credentials, deviceName: 'Laptop' } });
  expect(registered.status).toBe(201);
  expect(registered.body).not.toHaveProperty('refreshToken');
  await authorize(registered.body.accessToken);
  expect((await tryOut('getMe')).body.email).toBe(credentials.email);

  // Another device, which has its tokens in the body, so that this browser's cookie stays the laptop's.
  const phone = await tryOut('login', { body: { ...credentials, deviceName: 'Phone', tokenDelivery: 'body' } });
  expect(phone.status).toBe(200);
  const listed = await tryOut('listSessions');
  expect(listed.body.items.map(({ device }: any) => device.name)).toEqual(['Laptop', 'Phone']);

  expect(
    (await tryOut('renameSession', { path: phone.body.session.id, body: { deviceName: 'Old phone' } })).status,
  ).toBe(200);
  expect((await tryOut('revokeSession', { path: phone.body.session.id })).status).toBe(204);
  expect((await t.api.me(phone.body.accessToken)).body.code).toBe('session_revoked');
  expect((await tryOut('listSessions')).body.items).toHaveLength(1);

  // By the cookie, which no script on the page can see.
  const refreshed = await tryOut('refresh');
  expect(refreshed.status).toBe(200);
  expect(refreshed.body.session.id).toBe(registered.body.session.id);
  expect(await page.evaluate('document.cookie')).toBe('');

  // The page keeps the authorization over a reload.
  await page.reload();
  await page.locator('.opblock').first().waitFor();
  expect((await tryOut('getCurrentSession')).status).toBe(200);

  expect((await tryOut('logout')).status).toBe(204);
  expect(await page.context().cookies()).toEqual([]);
  expect((await tryOut('refresh')).status).toBe(401);

  expect(browser.complaints).toEqual([]);
  if (process.env['SCREENSHOT']) await page.screenshot({ path: process.env['SCREENSHOT'] });
}, 120_000);
