import type { Page } from 'playwright-core';
import type { MailKind } from '../../src/mail/mail.entity.js';
import { MAIL_KINDS, purposeOf } from '../../src/mail/mail-kinds.js';
import { wordsOf } from '../../src/mail/mail-text.js';
import { LANGUAGES } from '../../src/texts/texts.js';
import { expectAccessible, screenshot, TestBrowser } from '../support/chromium.js';

const TOKEN = 'q8Kf2cX0vWlGm4pYhT6sZbN1eRj9uDa3oLi7xQyE5Vg';
const BRAND = { brandName: 'Latchkey', brandColor: '#1f6652', publicUrl: 'https://id.example.com' };
const DETAILS = {
  browser: 'Firefox',
  os: 'Windows',
  program: null,
  ip: '2001:db8:85a3:8d3:1319:8a2e:370:7348',
  email: 'countess.of.lovelace@example.com',
};
const PICTURED = new Set<MailKind>(['email_verification', 'new_device', 'password_changed']);

let browser: TestBrowser;
let page: Page;

beforeAll(async () => {
  browser = await TestBrowser.launch();
  page = await (await browser.device({ viewport: { width: 360, height: 740 } })).newPage();
}, 60_000);

afterAll(async () => {
  await browser?.close();
  expect(browser.complaints).toEqual([]);
});

it.each(LANGUAGES)(
  'Every mail in the language %s can be read by all, light and dark, and fits a phone',
  async (language) => {
    for (const kind of MAIL_KINDS) {
      const { html } = wordsOf(
        {
          kind,
          recipient: 'ada.augusta.king.countess.of.lovelace@example.com',
          details: DETAILS,
          createdAt: new Date('2026-11-28T22:45:00Z'),
          language,
          isConfirmed: true,
        },
        purposeOf({ kind }) && TOKEN,
        BRAND,
      );
      await page.setContent(html);
      expect([kind, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([kind, 360]);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await expectAccessible(page);
      }
      if (PICTURED.has(kind)) await screenshot(page, `mail-${kind}-${language}`);
    }
  },
  120_000,
);
