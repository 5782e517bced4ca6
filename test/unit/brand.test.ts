import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contrast, DARK_PAPER, LIGHT_GROUND, onDark, onLight } from '../../src/config/brand-color.js';
import { loadConfig } from '../../src/config/load-config.js';

const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
const load = (settings: Record<string, string>) => loadConfig({ DATA_DIR: folder, ...settings });
const file = (name: string, content: string | Buffer) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

it('Without settings the brand is Latchkey, in its colour, without a logo', () => {
  expect(load({})).toMatchObject({ brandName: 'Latchkey', brandColor: '#1f6652' });
  expect(load({}).brandLogoUrl ?? load({}).brandLogoFile).toBeUndefined();
});

it('A brand takes a name, a colour and a logo', () => {
  const BRAND_LOGO_FILE = file('logo.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
  expect(load({ BRAND_NAME: 'Grün & Söhne', BRAND_COLOR: '#B00020', BRAND_LOGO_FILE })).toMatchObject({
    brandName: 'Grün & Söhne',
    brandColor: '#B00020',
    brandLogoFile: BRAND_LOGO_FILE,
  });
  expect(load({ BRAND_LOGO_URL: 'http://localhost:8080/logo.png' }).brandLogoUrl).toBe(
    'http://localhost:8080/logo.png',
  );
});

it.each([
  ['BRAND_NAME', 'x'.repeat(41), 'BRAND_NAME must have 1 to 40 characters'],
  ['BRAND_NAME', ' ', 'BRAND_NAME must have'],
  ['BRAND_NAME', 'two\nlines', 'BRAND_NAME must have'],
  ['BRAND_NAME', 'a\u202eb', 'BRAND_NAME must have'],
  ['BRAND_NAME', '<b>', 'BRAND_NAME must have'],
  ['BRAND_COLOR', 'green', 'BRAND_COLOR must look like #1f6652'],
  ['BRAND_COLOR', '#ffe600', 'BRAND_COLOR is too light: its contrast to the light pages (#f6f5f1) is 1.16:1'],
  ['BRAND_COLOR', '#ffe600', 'text needs 4.5:1 (WCAG AA). A darker one that works is #'],
  ['BRAND_LOGO_URL', 'javascript:alert(1)', 'BRAND_LOGO_URL must be an https URL'],
  ['BRAND_LOGO_URL', 'https://user:pass@example.com/logo.svg', 'BRAND_LOGO_URL must be an https URL'],
  ['BRAND_LOGO_FILE', join(folder, 'nowhere.svg'), 'BRAND_LOGO_FILE must name a readable'],
  ['BRAND_LOGO_FILE', file('logo.html', 'x'), 'BRAND_LOGO_FILE must name a readable'],
  ['BRAND_LOGO_FILE', file('big.png', Buffer.alloc(262_145)), 'of at most 256 KiB'],
])('%s=%j stops the start', (name, value, complaint) => {
  expect(() => load({ [name]: value })).toThrow(complaint);
});

it('A logo is either a URL or a file, and its URL is https in production', () => {
  const both = { BRAND_LOGO_URL: 'https://example.com/logo.svg', BRAND_LOGO_FILE: file('a.svg', '<svg/>') };
  expect(() => load(both)).toThrow('BRAND_LOGO_URL and BRAND_LOGO_FILE are both set; keep one');
  expect(() => load({ NODE_ENV: 'production', BRAND_LOGO_URL: 'http://example.com/logo.svg' })).toThrow(
    'BRAND_LOGO_URL must be https in production',
  );
});

it('Contrast is measured as WCAG defines it', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  expect(contrast('#ffffff', '#777777')).toBeCloseTo(4.48, 2);
});

it('Of any colour there is a variant that is readable on light pages, and one for dark pages', () => {
  const levels = ['00', '33', '66', '99', 'cc', 'ff'];
  for (const red of levels)
    for (const green of levels)
      for (const blue of levels) {
        const color = `#${red}${green}${blue}`;
        const [light, dark] = [onLight(color), onDark(color)];
        expect([light, contrast(light, LIGHT_GROUND) >= 4.5, contrast(light, '#ffffff') >= 4.5]).toEqual([
          light,
          true,
          true,
        ]);
        expect([dark, contrast(dark, DARK_PAPER) >= 4.5, contrast(dark, '#0c1f18') >= 4.5]).toEqual([dark, true, true]);
        if (contrast(color, LIGHT_GROUND) >= 4.5) expect(light).toBe(color);
      }
});
