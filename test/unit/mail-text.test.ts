import type { Mail, MailDetails } from '../../src/mail/mail.entity.js';
import { MAIL_KINDS, purposeOf } from '../../src/mail/mail-kinds.js';
import { wordsOf } from '../../src/mail/mail-text.js';
import { LANGUAGES } from '../../src/texts/texts.js';

const TOKEN = 'q8Kf2cX0vWlGm4pYhT6sZbN1eRj9uDa3oLi7xQyE5Vg';
const BRAND = { brandName: 'Acme Sign-in', brandColor: '#7a1f5c', publicUrl: 'https://auth.acme.test/' };
const FIREFOX: MailDetails = {
  device: 'Firefox on Windows',
  browser: 'Firefox',
  os: 'Windows',
  program: null,
  ip: '203.0.113.7',
  email: 'countess@example.com',
  receiver: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
};
const LURE = 'https://evil.test/unlock';

function write(kind: Mail['kind'], mail: Partial<Mail> = {}) {
  const token = purposeOf({ kind }) === null ? null : TOKEN;
  return wordsOf(
    {
      kind,
      recipient: 'ada@example.com',
      details: FIREFOX,
      createdAt: new Date('2026-11-28T22:45:00Z'),
      language: 'en',
      isConfirmed: true,
      ...mail,
    },
    token,
    { ...BRAND },
  );
}

/** What a reader sees of the HTML. */
const seen = (html: string): string =>
  html
    .replace(/^[^]*<body/, '<body')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replaceAll(/\s+/g, ' ');
const wordsIn = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
const KINDS_IN_LANGUAGES = LANGUAGES.flatMap((language) => MAIL_KINDS.map((kind) => [kind, language] as const));

it.each(KINDS_IN_LANGUAGES)('The mail %s in the language %s says the same as text and as HTML', (kind, language) => {
  const { subject, text, html } = write(kind, { language });
  expect([subject, text, html].join('\n')).not.toMatch(/\{\w+\}|undefined|null|NaN|: *$/m);
  expect(html).toContain(`<html lang="${language}">`);
  expect(html).not.toMatch(/<(a|h1|p|span)\b[^>]*>\s*<\/\1>/);
  const inHtml = seen(html);
  for (const block of [BRAND.brandName, subject, ...text.split('\n')]) {
    expect(inHtml).toContain(wordsIn(block));
  }
});

it.each(KINDS_IN_LANGUAGES)('The mail %s in the language %s links to nothing but its page', (kind, language) => {
  const { text, html } = write(kind, { language });
  const links = [...text.matchAll(/\w+:\/\/\S+/g)].map(([link]) => link);
  const anchors = [...html.matchAll(/(?:\b(?:href|src|action|background)\s*=|url\()\s*["']?([^"')]+)/g)].map(
    ([, link]) => link,
  );
  const isLinked = purposeOf({ kind }) !== null;
  expect(links).toHaveLength(isLinked ? 1 : 0);
  expect(anchors).toHaveLength(isLinked ? 2 : 0);
  for (const link of [...links, ...anchors]) {
    expect(link).toMatch(/^https:\/\/auth\.acme\.test\/(auth|sessions)\/[a-z/]+\?token=[\w-]{43}$/);
  }
  expect(html).not.toMatch(/<(script|form|iframe|table)|javascript:|@import/i);
});

it('A mail says for whom it is, what happened where and when, and until when its link works', () => {
  const { text } = write('new_device');
  for (const fact of [
    'Account: ada@example.com',
    'Device: Firefox on Windows',
    'Internet address: 203.0.113.7',
    'When: November 28, 2026 at 22:45 (UTC, universal time)',
    'until December 5, 2026 at 22:45 (UTC, universal time)',
  ]) {
    expect(text).toContain(fact);
  }
  const inGerman = write('new_device', { language: 'de' }).text;
  expect(inGerman).toContain('Gerät: Firefox unter Windows');
  expect(inGerman).toContain('Zeitpunkt: 28. November 2026 um 22:45 Uhr (UTC, Weltzeit)');
});

it('A mail in a language that has no texts any more, or in none, is in English', () => {
  for (const language of ['tlh', null]) {
    expect(write('password_changed', { language }).subject).toBe('Your password was changed');
  }
});

it('The mail about a reused refresh token names the device that was logged out, and from where the old key was used', () => {
  const details = { ...FIREFOX, loggedOut: { browser: 'Safari', os: 'iOS', program: null } };
  const { text } = write('refresh_token_reused', { details });
  expect(text).toContain('Logged out: Safari on iOS');
  expect(text).toContain('The old key was used by: Firefox on Windows');
  expect(text).toContain('From the internet address: 203.0.113.7');
  expect(write('refresh_token_reused', { details, language: 'de' }).text).toContain('Abgemeldet: Safari unter iOS');
  // Written by the release before, which did not say it.
  expect(write('refresh_token_reused').text).toContain('Logged out: Unknown device');

  const lured = { ...details, loggedOut: { browser: null, os: null, program: 'Your-Bank-Calls' } };
  expect(write('refresh_token_reused', { details: lured }).text).toContain('Logged out: Your-Bank-Calls');
  expect(write('refresh_token_reused', { details: lured, isConfirmed: false }).text).not.toContain('Bank');
});

it('Before an address is confirmed its mails have no word of the person who gave it', () => {
  const lure = 'call-0800-555-now';
  const { text, html } = write('email_change_requested', {
    recipient: `victim+${lure}@example.com`,
    details: { ...FIREFOX, browser: null, program: lure, email: `${lure}@example.com` },
    isConfirmed: false,
  });
  for (const words of [text, html]) {
    expect(words).not.toContain('0800');
    expect(words).toContain('v…@example.com');
  }
  expect(text).toContain('New address: another address');
  expect(text).toContain('Device: Windows');
});

it.each(MAIL_KINDS)('Nothing hostile in the details of the mail %s becomes a link or markup', (kind) => {
  const hostile = `"><img src=x onerror=alert(1)><a href='${LURE}'>`;
  for (const isConfirmed of [true, false]) {
    const { text, html } = write(kind, {
      recipient: `www.evil.test/unlock@evil.test`,
      details: {
        device: hostile,
        browser: hostile,
        os: hostile,
        program: hostile,
        loggedOut: { browser: hostile, os: hostile, program: hostile },
        ip: hostile,
        email: `${LURE}@evil.test`,
      },
      isConfirmed,
    });
    expect(html).not.toMatch(/<img|<a href='|unlock@/);
    expect(text).not.toMatch(/unlock@/);
    expect([...html.matchAll(/<a /g)]).toHaveLength(purposeOf({ kind }) === null ? 0 : 2);
  }
});

it('The logo stands in the HTML alone, beside the name as text, and the colours of the brand have enough contrast', () => {
  const logo = 'https://acme.test/logo.png?a=1&b="2"';
  const { text, html } = wordsOf(
    {
      kind: 'password_reset',
      recipient: 'ada@example.com',
      details: {},
      createdAt: new Date(),
      language: 'en',
      isConfirmed: true,
    },
    TOKEN,
    { ...BRAND, brandLogoUrl: logo },
  );
  expect(html).toContain('<img src="https://acme.test/logo.png?a=1&amp;b=&quot;2&quot;" alt=""');
  expect(html).toMatch(/> Acme Sign-in<\/p>/);
  expect(html).toContain('background:#7a1f5c;color:#ffffff');
  expect(text).not.toContain('logo.png');
});
