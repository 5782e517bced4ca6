import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useApp } from '../support/app.js';
import { spawnInstance } from '../support/instance.js';
import { mmdbOf } from '../support/mmdb.js';
import { once } from 'node:events';

const file = join(mkdtempSync(join(tmpdir(), 'latchkey-test-')), 'places.mmdb');
writeFileSync(
  file,
  mmdbOf({
    '203.0.113.7': { city: { names: { en: 'Vienna', de: 'Wien' } }, country: { iso_code: 'AT' } },
    '203.0.113.8': { country: { iso_code: 'FR' } },
    '203.0.113.9': { city: { names: { en: 'Springfield' } } },
  }),
);

const t = useApp({ GEO_DATABASE: file });

const places = (bearer: string, addresses: string, headers = {}) =>
  t.api.call('GET', `/sessions/places?addresses=${encodeURIComponent(addresses)}`, { bearer, headers });

it('Addresses have the place that the file knows, in the language of the client', async () => {
  const { accessToken } = await t.api.signUp();
  const { body } = await places(accessToken, '203.0.113.7,203.0.113.8,203.0.113.9,127.0.0.1,2001:db8::1');
  expect(body).toEqual({
    items: [
      { address: '203.0.113.7', place: 'Vienna, Austria' },
      { address: '203.0.113.8', place: 'France' },
      { address: '203.0.113.9', place: 'Springfield' },
      { address: '127.0.0.1', place: null },
      { address: '2001:db8::1', place: null },
    ],
  });
  const german = await places(accessToken, '203.0.113.7', { 'accept-language': 'de-AT' });
  expect(german.body.items[0].place).toBe('Wien, Österreich');
});

it.each(['', 'x', '203.0.113.7,', '203.0.113.7;', Array.from({ length: 101 }, () => '::1').join(',')])(
  'The addresses %.20j are refused',
  async (addresses) => {
    const { accessToken } = await t.api.signUp();
    const { status, body } = await places(accessToken, addresses);
    expect([status, body.errors?.[0].field]).toEqual([400, 'addresses']);
  },
);

it('A session is described as it is without a database of places', async () => {
  const { session } = await t.api.signUp();
  expect(Object.keys(session)).not.toContain('place');
});

it('A start with a GEO_DATABASE that is none fails and says what is needed', async () => {
  const text = join(mkdtempSync(join(tmpdir(), 'latchkey-test-')), 'text.mmdb');
  writeFileSync(text, 'no database');
  for (const path of [text, '/nowhere.mmdb']) {
    const { child, output } = spawnInstance({ env: { DATABASE_URL: t.database.url, GEO_DATABASE: path } });
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
    expect(output()).toContain('GEO_DATABASE must name a readable database of places');
  }
});
