import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useApp } from '../support/app.js';

const LOGO = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
const file = join(mkdtempSync(join(tmpdir(), 'latchkey-test-')), 'logo.svg');
writeFileSync(file, LOGO);

const t = useApp({ BRAND_NAME: "Marks & O'Neil", BRAND_COLOR: '#7a1fa2', BRAND_LOGO_FILE: file });

const get = (path: string, headers: Record<string, string> = {}) => fetch(t.api.url + path, { headers });

it('The page has the name of the brand as text, and answers in the language of the browser', async () => {
  const english = await get('/', { 'accept-language': 'fr, en;q=0.5' });
  expect(english.headers.get('content-language')).toBe('en');
  expect(english.headers.get('vary')).toContain('Accept-Language');
  const page = await english.text();
  expect(page).toContain('<html lang="en">');
  expect(page).toContain('Marks &amp; O&#39;Neil');
  expect(page).not.toContain('Latchkey');

  const german = await get('/', { 'accept-language': 'de-AT,de;q=0.9,en;q=0.8' });
  expect(german.headers.get('content-language')).toBe('de');
  expect(await german.text()).toContain('<html lang="de">');
});

it('The colours of the brand are a style of their own, with a lighter one for dark pages', async () => {
  const style = await (await get('/page/brand.css')).text();
  expect(style).toContain('--accent: #7a1fa2;');
  expect(style).toMatch(/dark[^]*--accent: #(?!7a1fa2)[0-9a-f]{6};/);
});

it('A logo from a file is served as its type, and runs no script where it is opened by itself', async () => {
  const answer = await get('/page/logo');
  expect(answer.headers.get('content-type')).toBe('image/svg+xml');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  expect(answer.headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox/);
  expect(await answer.text()).toBe(LOGO);
});

it('The page loads images from the service alone while the logo is a file', async () => {
  expect((await get('/')).headers.get('content-security-policy')).toContain("img-src 'self';");
});

it('The OpenAPI document, which Swagger UI shows, has the name of the brand as its title', async () => {
  const { info } = (await (await get('/docs-json')).json()) as { info: { title: string } };
  expect(info.title).toBe("Marks & O'Neil");
});
