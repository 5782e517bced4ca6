import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { phrase } from '../../src/texts/phrase.mjs';
import { languageFor, LANGUAGES, loadTexts, textsOf } from '../../src/texts/texts.js';

/** A copy of the texts, with one more file. */
function folderWith(name: string, change: (english: any) => void): URL {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  cpSync('src/texts', folder, { recursive: true });
  const texts = JSON.parse(readFileSync('src/texts/en.json', 'utf8'));
  change(texts);
  writeFileSync(join(folder, name), JSON.stringify(texts));
  return pathToFileURL(`${folder}/`);
}

it('A third language is one more file, and nothing else', () => {
  const texts = loadTexts(folderWith('nl.json', ({ page }) => (page.title = 'Je apparaten')));
  expect([...texts.keys()].toSorted()).toEqual(['de', 'en', 'nl']);
  expect(texts.get('nl')?.page.title).toBe('Je apparaten');
  expect(languageFor('nl-BE, en;q=0.5', [...texts.keys()])).toBe('nl');
});

it.each([
  ['a text is missing', ({ page }: any) => delete page.title, 'nl.json: page.title is missing'],
  ['there is one too many', ({ page }: any) => (page.more = ''), 'nl.json: page.more is no text of ours'],
  [
    'a placeholder is another',
    ({ page }: any) => (page.title = 'Je {things}'),
    'nl.json: page.title has {things} instead of none',
  ],
  [
    'a plural form is missing',
    ({ page }: any) => (page.devices.count = { other: '{count}' }),
    'nl.json: page.devices.count has no form "one"',
  ],
])('The service does not start with a language where %s', (_, change, complaint) => {
  expect(() => loadTexts(folderWith('nl.json', change))).toThrow(complaint);
});

it.each([
  [undefined, 'en'],
  ['', 'en'],
  ['*', 'en'],
  ['de', 'de'],
  ['DE-at', 'de'],
  ['de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7', 'de'],
  ['en-GB,en;q=0.9,de;q=0.1', 'en'],
  ['fr, de;q=0.2', 'de'],
  ['ja', 'en'],
  ['de;q=0', 'en'],
  [';;;q=,,', 'en'],
])('A client that sends Accept-Language: %s is answered in %s', (header, language) => {
  expect(languageFor(header)).toBe(language);
});

it('A header longer than any browser sends is not read to its end', () => {
  expect(languageFor(`${'x,'.repeat(8000)}de`)).toBe('en');
});

it('There are texts in English and German', () => {
  expect(textsOf('de').page.title).not.toBe(textsOf('en').page.title);
  expect(textsOf('ja')).toBe(textsOf('en'));
  expect(LANGUAGES.toSorted()).toEqual(['de', 'en']);
});

it('A text takes its values as its language writes them, and its form by the count', () => {
  const devices = { one: '{count} Gerät', other: '{count} Geräte von {name}' };
  expect(phrase('de', devices, { count: 1, name: 'Ada' })).toBe('1 Gerät');
  expect(phrase('de', devices, { count: 1234, name: '{count}' })).toBe('1.234 Geräte von {count}');
  expect(phrase('en', 'Hello {name}, {constructor}', { name: '$&' })).toBe('Hello $&, {constructor}');
});
