import type { Page } from 'playwright-core';
import { type Api, PASSWORD, someone } from '../support/api.js';
import { expectAccessible, TestBrowser } from '../support/chromium.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { Mailbox, SUBJECTS } from '../support/mailbox.js';

let database: TestDatabase;
let mailbox: Mailbox;
let instance: Instance;
let api: Api;
let browser: TestBrowser;
let page: Page;

beforeAll(async () => {
  database = await createDatabase();
  mailbox = await Mailbox.open();
  const port = String(await freePort());
  instance = await startInstance({
    env: {
      DATABASE_URL: database.url,
      SMTP_URL: mailbox.url,
      PORT: port,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
    },
  });
  api = instance.api;
  browser = await TestBrowser.launch();
  page = await (await browser.device()).newPage();
}, 60_000);

afterAll(async () => {
  try {
    expect(browser.complaints).toEqual([]);
    await expectInvariants(database, { api });
  } finally {
    await browser?.close();
    await instance?.kill('SIGTERM');
    await mailbox?.stop();
    await database.drop();
  }
});

/** Opens the link of a mail as its reader would. */
async function openLink(to: string, subject: string): Promise<void> {
  const [mail] = await mailbox.await(to, subject);
  const [, link] = /href="(http[^"]+token=[^"]+)"/.exec(mail!.html)!;
  await page.goto(link!);
  await expectAccessible(page);
  // Whoever looks at the address bar or the history later does not find the token.
  await page.waitForURL((url) => url.search === '');
}

it('The link of a confirmation mail confirms the address once the button of its page is pressed', async () => {
  const { accessToken, user } = await api.signUp();
  await openLink(user.email, SUBJECTS.verification);
  expect((await api.me(accessToken)).body.emailVerified).toBe(false);
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByText('Your address is confirmed.').waitFor();
  expect((await api.me(accessToken)).body.emailVerified).toBe(true);
  await page.getByRole('link', { name: 'Go to your devices' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

it('The link of a reset mail leads to a new password, which revokes every session', async () => {
  const { accessToken, user } = await api.signUp();
  await api.call('POST', '/auth/password/forgot', { body: { email: user.email } });
  await openLink(user.email, SUBJECTS.reset);
  await page.getByLabel('New password').fill('short');
  await page.getByRole('button').click();
  await page
    .getByRole('status')
    .filter({ hasText: /characters/ })
    .waitFor();
  expect((await api.me(accessToken)).status).toBe(200);

  await page.getByLabel('New password').fill('another passphrase of a test');
  await page.getByRole('button').click();
  await page.getByText('Your new password is set. Sign in with it.').waitFor();
  expect((await api.me(accessToken)).body.code).toBe('session_revoked');
  expect((await api.login({ email: user.email, password: 'another passphrase of a test' })).status).toBe(200);
});

it('The link of a new-device mail logs out every device and leads to a new password', async () => {
  const { user, accessToken } = await api.signUp();
  const credentials = { email: user.email, password: PASSWORD };
  const thief = (await api.login(credentials, { headers: { 'user-agent': 'curl/8.0' } })).body;
  await openLink(user.email, SUBJECTS.newDevice);
  expect((await api.me(thief.accessToken)).status).toBe(200);
  await page.getByRole('button', { name: 'Log out every device' }).click();
  await page.getByText('Every device is logged out. Now set a new password.').waitFor();
  for (const token of [thief.accessToken, accessToken]) expect((await api.me(token)).status).toBe(401);
  await page.getByLabel('New password').fill('another passphrase of a test');
  await page.getByRole('button', { name: 'Set a new password' }).click();
  await page.getByText('Your new password is set. Sign in with it.').waitFor();
  expect((await api.login(credentials)).status).toBe(401);
});

it('The link of a changed-address mail gives the former address its account back and leads to a new password', async () => {
  const { user, accessToken } = await api.signUp();
  const { email } = someone();
  await api.call('POST', '/auth/email/change', { bearer: accessToken, body: { email, password: PASSWORD } });
  await openLink(email, SUBJECTS.confirmChange);
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByText('Your address is confirmed.').waitFor();

  await openLink(user.email, SUBJECTS.addressChanged);
  await page.getByRole('button', { name: 'Give this address its account back' }).click();
  await page.getByText('The account has this address again').waitFor();
  await page.getByLabel('New password').fill('another passphrase of a test');
  await page.getByRole('button', { name: 'Set a new password' }).click();
  await page.getByText('Your new password is set. Sign in with it.').waitFor();
  expect((await api.login({ email: user.email, password: 'another passphrase of a test' })).status).toBe(200);
});
