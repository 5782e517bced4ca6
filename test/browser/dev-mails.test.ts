import type { Page } from 'playwright-core';
import { expectAccessible, TestBrowser } from '../support/chromium.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { SUBJECTS } from '../support/mailbox.js';
import { temporaryFolder } from '../support/postgres.js';

const PICTURES = process.env['SCREENSHOTS'] ?? 'coverage/screenshots';
let database: TestDatabase;
let instance: Instance;
let browser: TestBrowser;
let page: Page;
let url: string;

beforeAll(async () => {
  database = await createDatabase();
  const port = String(await freePort());
  url = `http://localhost:${port}`;
  instance = await startInstance({ env: { DATABASE_URL: database.url, DATA_DIR: temporaryFolder(), PORT: port } });
  browser = await TestBrowser.launch();
  page = await (await browser.device()).newPage();
}, 60_000);

afterAll(async () => {
  try {
    expect(browser.complaints).toEqual([]);
  } finally {
    await browser?.close();
    await instance?.kill('SIGTERM');
    await database.drop();
  }
});

it('The mailbox shows a new mail by itself, and the link in it confirms the address in the same browser', async () => {
  await page.goto(`${instance.url}/dev/mails`);
  expect(page.url()).toBe(`${url}/dev/mails`);
  await page.getByText('No mails yet').waitFor();
  await expectAccessible(page);

  const { user, accessToken } = await instance.api.signUp();
  await page.getByRole('link', { name: new RegExp(user.email) }).waitFor();
  await expectAccessible(page);
  await page.screenshot({ path: `${PICTURES}/dev-mails.png` });
  await page.getByRole('link', { name: SUBJECTS.verification }).click();
  await page.getByRole('heading', { name: SUBJECTS.verification }).waitFor();
  await expectAccessible(page);

  const link = page.frameLocator('iframe').getByRole('link').first();
  await link.waitFor();
  await page.screenshot({ path: `${PICTURES}/dev-mail.png`, fullPage: true });
  const opened = page.context().waitForEvent('page');
  await link.click();
  const confirmation = await opened;
  await confirmation.getByRole('button', { name: 'Confirm' }).click();
  await confirmation.getByText('Your address is confirmed.').waitFor();
  expect((await instance.api.me(accessToken)).body.emailVerified).toBe(true);
});
