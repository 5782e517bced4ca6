import type { Page } from 'playwright-core';
import { PASSWORD, someone } from '../support/api.js';
import { expectAccessible, screenshot, TestBrowser } from '../support/chromium.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0';

const t = useMailedInstances(1, { isAtPublicUrl: true });
let browser: TestBrowser;
let page: Page;

beforeAll(async () => {
  browser = await TestBrowser.launch();
  page = await (await browser.device()).newPage();
}, 60_000);

afterAll(async () => {
  await browser?.close();
  expect(browser.complaints).toEqual([]);
});

/** The link of the latest mail, as its reader would open it. */
async function linkFor(to: string, subject: string): Promise<string> {
  const mails = await t.mailbox.await(to, subject);
  return /href="(http[^"]+token=[^"]+)"/.exec(mails.at(-1)!.html)![1]!;
}

/** What is shown of an address before it is confirmed. */
const masked = (email: string): string => `${email[0]}…@${email.split('@')[1]}`;

/** Opens the link of a mail, and sees for whom it is. */
async function openLink(to: string, subject: string, name: string, shown = masked(to)): Promise<void> {
  await page.goto(await linkFor(to, subject));
  await page.getByText(shown, { exact: true }).waitFor();
  await page.getByText('Nothing happens until you press the button.').waitFor();
  await expectAccessible(page);
  await screenshot(page, `link-${name}`);
  // Another person who looks at the address bar later does not find the token.
  await page.waitForURL((url) => url.search === '');
}

it('The link of a confirmation mail confirms the address once the button of its page is pressed', async () => {
  const { accessToken, user } = await t.a.signUp();
  await openLink(user.email, SUBJECTS.verification, 'confirm');
  expect((await t.a.me(accessToken)).body.emailVerified).toBe(false);
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByText('Your address is confirmed.').waitFor();
  await expectAccessible(page);
  await screenshot(page, 'link-confirmed');
  expect((await t.a.me(accessToken)).body.emailVerified).toBe(true);
  await page.getByRole('link', { name: 'Go to your devices' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

it('The link of a reset mail leads to a new password, which revokes every session', async () => {
  const { accessToken, user } = await t.a.signUp();
  await t.a.call('POST', '/auth/password/forgot', { body: { email: user.email } });
  const username = page.locator('#username');
  await page.goto(await linkFor(user.email, SUBJECTS.reset));
  await page.getByText(masked(user.email), { exact: true }).waitFor();
  // A password manager would keep the password under whatever stands there.
  expect(await username.inputValue()).toBe('');
  const token = await t.mailbox.tokenFor(user.email, SUBJECTS.verification);
  expect((await t.a.call('POST', '/auth/email/verify', { body: { token } })).status).toBe(204);
  await openLink(user.email, SUBJECTS.reset, 'reset', user.email);
  expect(await username.inputValue()).toBe(user.email);
  await page.getByText('At least 8 characters.').waitFor();
  const password = page.getByLabel('New password');
  const set = page.getByRole('button', { name: 'Set it, and log out all my devices' });
  for (const [refused, why] of [
    ['short', 'This password is too short: it needs at least 8 characters.'],
    ['password123', 'This password is too easy to guess.'],
  ] as const) {
    await password.fill(refused);
    await set.click();
    await page.getByText(why).waitFor();
    expect(await password.getAttribute('aria-invalid')).toBe('true');
  }
  await expectAccessible(page);
  await screenshot(page, 'link-reset-refused');
  expect((await t.a.me(accessToken)).status).toBe(200);

  await page.getByRole('button', { name: 'Show password' }).click();
  expect(await password.getAttribute('type')).toBe('text');
  await page.getByRole('button', { name: 'Hide password' }).click();
  expect(await password.getAttribute('type')).toBe('password');
  await password.fill('another passphrase of a test');
  expect(await page.getByText('This password is too easy to guess.').count()).toBe(0);
  await set.click();
  await page.getByText('Your new password is set. Sign in with it.').waitFor();
  expect((await t.a.me(accessToken)).body.code).toBe('session_revoked');
  expect((await t.a.login({ email: user.email, password: 'another passphrase of a test' })).status).toBe(200);
});

it('The link of a new-device mail logs out every device and leads to a new password', async () => {
  const { user, accessToken } = await t.a.signUp();
  const credentials = { email: user.email, password: PASSWORD };
  const thief = (await t.a.login(credentials, { headers: { 'user-agent': FIREFOX } })).body;
  await openLink(user.email, SUBJECTS.newDevice, 'disown');
  await page.getByText('Firefox on Windows').waitFor();
  await page.getByText(thief.session.ip).waitFor();
  expect((await t.a.me(thief.accessToken)).status).toBe(200);
  await page.getByRole('button', { name: 'Log out every device' }).click();
  await page.getByText('Every device is logged out. Now set a new password.').waitFor();
  await expectAccessible(page);
  await screenshot(page, 'link-disowned');
  for (const token of [thief.accessToken, accessToken]) expect((await t.a.me(token)).status).toBe(401);
  await page.getByLabel('New password').fill('another passphrase of a test');
  await page.getByRole('button', { name: 'Set a new password' }).click();
  await page.getByText('Your new password is set. Sign in with it.').waitFor();
  expect((await t.a.login(credentials)).status).toBe(401);
});

it('The link of a changed-address mail gives the former address its account back and leads to a new password', async () => {
  const { user, accessToken } = await t.a.signUp();
  const { email } = someone();
  await t.a.call('POST', '/auth/email/change', { bearer: accessToken, body: { email, password: PASSWORD } });
  await openLink(email, SUBJECTS.confirmChange, 'change');
  await page.getByRole('button', { name: 'Use this address' }).click();
  await page.getByText('Your account has this address now.').waitFor();

  await openLink(user.email, SUBJECTS.addressChanged, 'undo');
  await page.getByRole('button', { name: 'Give this address its account back' }).click();
  await page.getByText('The account has this address again').waitFor();
  await page.getByLabel('New password').fill('another passphrase of a test');
  await page.getByRole('button', { name: 'Set a new password' }).click();
  await page.getByText('Your new password is set. Sign in with it.').waitFor();
  expect((await t.a.login({ email: user.email, password: 'another passphrase of a test' })).status).toBe(200);
});

it('A link that was used says so, and what to do next', async () => {
  const { user } = await t.a.signUp();
  const link = await linkFor(user.email, SUBJECTS.verification);
  const token = new URL(link).searchParams.get('token');
  expect((await t.a.call('POST', '/auth/email/verify', { body: { token } })).status).toBe(204);
  await page.goto(link);
  await page.getByRole('heading', { name: 'This link no longer works' }).waitFor();
  await page.getByText('Sign in to see whether your address is confirmed').waitFor();
  expect(await page.getByRole('button').count()).toBe(0);
  await expectAccessible(page);
  await screenshot(page, 'link-used');
});

it('A page of a link that is opened without its token asks to open the mail again', async () => {
  await page.goto(`${t.a.url}/auth/password/reset`);
  await page.getByRole('heading', { name: 'This link is not complete' }).waitFor();
  expect(await page.getByRole('button').count()).toBe(0);
  await expectAccessible(page);
});

it('A link whose service cannot be reached can be tried again, and what was wrong is no longer said then', async () => {
  const { user } = await t.a.signUp();
  const link = await linkFor(user.email, SUBJECTS.verification);
  await page.route('**/auth/links/preview', (route) => route.abort());
  await page.goto(link);
  const unreachable = page.getByText('The service cannot be reached.');
  await unreachable.waitFor();
  await expectAccessible(page);
  await screenshot(page, 'link-unreachable');
  await page.unroute('**/auth/links/preview');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText(masked(user.email), { exact: true }).waitFor();
  expect(await unreachable.count()).toBe(0);

  await page.context().setOffline(true);
  const offline = page.getByText('You are offline.');
  await offline.waitFor();
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByRole('button', { name: 'Confirm', disabled: false }).waitFor();
  await page.context().setOffline(false);
  await offline.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByText('Your address is confirmed.').waitFor();
});

it('A page of a link is in the language of the browser and fits a phone', async () => {
  const { user } = await t.a.signUp();
  await t.a.login({ email: user.email, password: PASSWORD }, { headers: { 'user-agent': FIREFOX } });
  const phone = await browser.device({ locale: 'de-AT', viewport: { width: 360, height: 740 } });
  const german = await phone.newPage();
  await german.goto(await linkFor(user.email, SUBJECTS.newDevice));
  await german.getByText('Firefox unter Windows').waitFor();
  expect(await german.locator('html').getAttribute('lang')).toBe('de');
  expect(await german.evaluate('document.documentElement.scrollWidth')).toBe(360);
  await expectAccessible(german);
  await screenshot(german, 'link-disown-de');
  await german.getByRole('button', { name: 'Alle Geräte abmelden' }).click();
  await german.getByText('Alle Geräte sind abgemeldet.').waitFor();
  await german.getByLabel('Neues Passwort').fill('kurz');
  await german.getByRole('button', { name: 'Setze ein neues Passwort' }).click();
  await german.getByText('Dieses Passwort ist zu kurz').waitFor();
  expect(await german.evaluate('document.documentElement.scrollWidth')).toBe(360);
  await screenshot(german, 'link-disowned-de');
  await phone.close();
});
