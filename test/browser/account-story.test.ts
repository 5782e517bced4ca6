import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { button, cards, enter, expectCount, fillIn, inspect, open } from '../support/account-page.js';
import { someone } from '../support/api.js';
import { TestBrowser } from '../support/chromium.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';
import { mmdbOf } from '../support/mmdb.js';
import type { Page } from 'playwright-core';

const placesFile = join(mkdtempSync(join(tmpdir(), 'latchkey-test-')), 'places.mmdb');
writeFileSync(
  placesFile,
  mmdbOf({ '127.0.0.1': { city: { names: { en: 'Vienna', de: 'Wien' } }, country: { iso_code: 'AT' } } }),
);

const t = useMailedInstances(1, {
  env: { REAUTH_MAX_AGE: '0', GEO_DATABASE: placesFile },
  isAtPublicUrl: true,
});
let browser: TestBrowser;

beforeAll(async () => {
  browser = await TestBrowser.launch();
}, 60_000);

afterAll(async () => {
  await browser?.close();
  expect(browser.complaints).toEqual([]);
});

const errors = (page: Page) => page.locator('.error:visible').allTextContents();
const done = (page: Page, text: string) => page.locator('#done').filter({ hasText: text }).waitFor();

/** Confirms what a mail asks to confirm, in another tab. */
async function confirm(page: Page, to: string, subject: string): Promise<void> {
  const tab = await page.context().newPage();
  await tab.goto(`${t.a.url}/auth/email/verify?token=${await t.mailbox.tokenFor(to, subject)}`);
  await tab.locator('#act').click();
  await tab.locator('#act').waitFor({ state: 'hidden' });
  await tab.close();
}

/** Opens a form that is folded. */
async function unfold(page: Page, words: string) {
  await page.locator('#sections').getByRole('link', { name: 'Account' }).click();
  await page.locator('summary', { hasText: words }).click();
  return page.locator('details[open]').filter({ hasText: words });
}

it('A person signs up, confirms the address, and changes address and password, all on the page', async () => {
  const account = someone();
  const next = { email: someone().email, password: 'an even better passphrase' };
  const device = await browser.device({ locale: 'en-GB' });
  const page = await open(device, t.a);
  await page.locator('#signed-out').waitFor();
  await inspect(page, 'sign-in');

  // The rules are there before anything is wrong, and each error is beside its field.
  await page.locator('[data-door="sign-up"]').click();
  expect(await page.locator('.rules:visible').textContent()).toContain('At least 8 characters.');
  await page.locator('#enter').click();
  expect(await errors(page)).toEqual(['E-mail is required.', 'Password is required.']);
  await inspect(page, 'sign-up');
  await page.locator('#credentials [name=email]').fill('ada');
  await page.locator('#enter').click();
  expect(await errors(page)).toEqual(['E-mail must look like name@example.com.', 'Password is required.']);
  await page.locator('#credentials [name=email]').fill(account.email);
  const password = page.locator('#credentials [name=password]');
  await password.fill('password123');
  await button(page, 'Show password').click();
  expect(await password.getAttribute('type')).toBe('text');
  await page.locator('#enter').click();
  await page.locator('.error').filter({ hasText: 'Password is among the most common passwords' }).waitFor();
  expect(await password.getAttribute('type')).toBe('password');
  await password.fill(account.password);
  await page.locator('#enter').click();
  await expectCount(cards(page), 1);
  await done(page, 'A mail with a link to confirm your address is on its way.');

  await page.locator('#sections').getByRole('link', { name: 'History' }).click();
  await page.getByText('No session has ended in the last 90 days.').waitFor();

  await page.locator('#sections').getByRole('link', { name: 'Account' }).click();
  await page.getByText('not confirmed yet').waitFor();
  await button(page, 'Send the link again').click();
  await done(page, 'A mail with a link to confirm your address is on its way.');
  await t.mailbox.await(account.email, SUBJECTS.verification, 2);
  await confirm(page, account.email, SUBJECTS.verification);
  // As when the person comes back from another window, beside which this one stayed visible.
  await page.evaluate(`dispatchEvent(new Event('focus'))`);
  await page
    .locator('#address-state')
    .filter({ hasText: /^confirmed$/ })
    .waitFor();
  expect(await button(page, 'Send the link again').isVisible()).toBe(false);

  // The service wants the password again, and so does the page then.
  const email = await unfold(page, 'Change e-mail address');
  await email.locator('[name=email]').fill(next.email);
  expect(await email.locator('[name=password]').isVisible()).toBe(false);
  await button(email, 'Send the link').click();
  await email.getByText('Give your password once more.').waitFor();
  await email.locator('[name=password]').fill('not the password');
  await button(email, 'Send the link').click();
  await email.getByText('This is not your password.').waitFor();
  await email.locator('[name=password]').fill(account.password);
  await button(email, 'Send the link').click();
  await done(page, `If ${next.email} can be used`);
  await confirm(page, next.email, SUBJECTS.confirmChange);
  await page.locator('#sections').getByRole('link', { name: 'Devices' }).click();
  await page.locator('#sections').getByRole('link', { name: 'Account' }).click();
  await page.locator('#address').filter({ hasText: next.email }).waitFor();

  // A change of password logs out every other device, and no other tab.
  const tab = await open(device, t.a);
  await expectCount(cards(tab), 1);
  for (const one of [page, tab]) {
    await one.evaluate(`new MutationObserver(() => (globalThis.wasSignedOut = true))
      .observe(document.getElementById('signed-out'), { attributes: true })`);
  }
  const other = await open(await browser.device(), t.a);
  await enter(other, 'sign-in', { ...account, email: next.email });
  const change = await unfold(page, 'Change password');
  await change.locator('[name=currentPassword]').fill('not the password');
  await change.locator('[name=newPassword]').fill('short');
  await button(change, 'Change password').click();
  expect(await errors(page)).toEqual(['New password must have at least 8 characters.']);
  await change.locator('[name=newPassword]').fill(next.password);
  await button(change, 'Change password').click();
  await change.getByText('This is not your password.').waitFor();
  await inspect(page, 'account');
  await change.locator('[name=currentPassword]').fill(account.password);
  await button(change, 'Change password').click();
  await done(page, 'Your password is changed');
  await other.getByText('The password was changed on another device.').waitFor();
  for (const one of [page, tab]) {
    expect(await one.evaluate('globalThis.wasSignedOut')).toBeUndefined();
    await one.reload();
    await one.locator('#sections').getByRole('link', { name: 'Devices' }).click();
    await expectCount(cards(one), 1);
  }
  await button(page, 'Log out').click();
  await tab.getByText('You logged out.').waitFor();
  await fillIn(page, 'sign-in', account);
  await page.getByText('E-mail or password is wrong.').waitFor();
  await fillIn(page, 'sign-in', next);
  await expectCount(cards(page), 1);
}, 120_000);

it('A person logs out a device that they do not recognise, and reads in the history why sessions ended', async () => {
  const account = someone();
  const page = await open(await browser.device({ locale: 'en-GB' }), t.a);
  await enter(page, 'sign-up', account);
  const stranger = await open(await browser.device({ userAgent: 'Strange/1.0 <b>' }), t.a);
  await enter(stranger, 'sign-in', account);
  await expectCount(cards(page), 2);

  const card = cards(page).nth(1);
  await card.locator('summary').click();
  await card.getByText('Strange/1.0 <b>').waitFor();
  expect(await card.locator('.times').textContent()).toContain('From Vienna, Austria (127.0.0.1)');
  await inspect(page, 'devices');
  await button(card, 'I don’t recognise this').click();
  await page
    .getByRole('dialog')
    .getByText(/You don’t recognise/)
    .waitFor();
  await inspect(page, 'not-recognised');
  await button(page.getByRole('dialog'), 'Cancel').click();
  await expectCount(cards(page), 2);
  await button(card, 'I don’t recognise this').click();
  await button(page.getByRole('dialog'), 'Log it out').click();
  await stranger.getByText('You were logged out on another device.').waitFor();
  await done(page, 'Now set a new password');
  expect(await page.evaluate('document.activeElement.name')).toBe('currentPassword');
  await page.locator('#change-password [name=currentPassword]').fill(account.password);
  await page.locator('#change-password [name=newPassword]').fill('nobody knows this one');
  await button(page.locator('#change-password'), 'Change password').click();
  await done(page, 'Your password is changed');

  // More than fit on one page of it.
  const { accessToken } = await t.a.signIn({ ...account, password: 'nobody knows this one' });
  for (let i = 0; i < 20; i++) {
    const { session } = await t.a.signIn({ ...account, password: 'nobody knows this one' });
    await t.a.endSession(accessToken, session.id);
  }
  await page.locator('#sections').getByRole('link', { name: 'History' }).click();
  const ended = page.locator('#ended').getByRole('listitem');
  await expectCount(ended, 20);
  await button(page, 'Show more').click();
  await expectCount(ended, 22);
  expect(await button(page, 'Show more').isVisible()).toBe(false);
  expect(await page.locator('#ended .reason').allTextContents()).toEqual([
    ...Array.from({ length: 20 }, () => 'You logged it out from another device'),
    'The password was changed',
    'You logged it out from another device',
  ]);
  await inspect(page, 'history');
}, 120_000);

it('A person downloads their data, and deletes the account with their password', async () => {
  const account = someone();
  const page = await open(await browser.device(), t.a);
  await enter(page, 'sign-up', account);
  await page.locator('#sections').getByRole('link', { name: 'Account' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Download').click()]);
  expect(download.suggestedFilename()).toBe('my-data.json');
  expect(JSON.parse(readFileSync(await download.path(), 'utf8')).user.email).toBe(account.email);

  const deletion = await unfold(page, 'Delete my account');
  await deletion.getByText('There is no way back').waitFor();
  // A password manager finds here whose password it is.
  expect(await deletion.locator('[autocomplete=username]').inputValue()).toBe(account.email);
  await deletion.locator('[name=password]').fill('not the password');
  await button(deletion, 'Delete my account for good').click();
  await deletion.getByText('This is not your password.').waitFor();
  await inspect(page, 'delete-account');
  await deletion.locator('[name=password]').fill(account.password);
  await button(deletion, 'Delete my account for good').click();
  await page.getByText('The account was deleted.').waitFor();
  expect(await page.locator('#address').textContent()).toBe('');
  await fillIn(page, 'sign-in', account);
  await page.getByText('E-mail or password is wrong.').waitFor();
}, 60_000);

it('A person whose browser prefers German reads German throughout', async () => {
  const account = someone();
  const page = await open(await browser.device({ locale: 'de-AT' }), t.a);
  await page.getByRole('heading', { name: 'Anmelden' }).waitFor();
  expect(await page.title()).toBe('Deine Geräte · Latchkey');
  await fillIn(page, 'sign-in', account);
  await page.getByText('E-Mail oder Passwort ist falsch.').waitFor();
  await page.locator('[data-door="sign-up"]').click();
  await page.locator('#credentials [name=password]').fill('');
  await page.locator('#enter').click();
  expect(await errors(page)).toEqual(['Passwort fehlt.']);
  await page.locator('#credentials [name=password]').fill('password123');
  await page.locator('#enter').click();
  await page.locator('.error').filter({ hasText: 'Dieses Passwort ist zu leicht zu erraten' }).waitFor();
  await inspect(page, 'deutsch-konto-anlegen');
  await page.locator('#credentials [name=password]').fill(account.password);
  await page.locator('#enter').click();
  await page.getByText('Du bist nur auf diesem Gerät angemeldet.').waitFor();
  await done(page, 'Eine Mail mit einem Link zum Bestätigen deiner Adresse ist unterwegs.');
  await t.a.signIn(account);
  await page.getByText('Du bist auf 2 Geräten angemeldet.').waitFor();
  expect(await cards(page).nth(1).textContent()).toContain('Von Wien, Österreich (127.0.0.1)');
  expect(await cards(page).nth(1).textContent()).toContain('gerade eben');
  await inspect(page, 'deutsch-geraete');
  await button(page, 'Alle anderen abmelden').click();
  await done(page, '1 anderes Gerät wurde abgemeldet.');
  // Not a word of the other language is left, but for the names of things.
  const english = /\b(the|your|you|sign|log|out|device|password|account|address)\b/i;
  for (const section of ['Geräte', 'Verlauf', 'Konto']) {
    await page.locator('#sections').getByRole('link', { name: section }).click();
    expect(await page.locator('main').innerText()).not.toMatch(english);
  }
  await button(page, 'Abmelden').click();
  await page.getByText('Du hast dich abgemeldet.').waitFor();
}, 60_000);
