import { readdirSync, readFileSync } from 'node:fs';
import { useApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';

// The client as browsers load it. It is served without the page too.

const ORIGIN = 'https://app.example.com';
const t = useApp({ ACCOUNT_PAGE: 'off', CORS_ORIGINS: ORIGIN });

const FILES: [path: string, file: string][] = [
  ['/client.mjs', 'src/client.mjs'],
  ...readdirSync('src/client')
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => [`/client/${name}`, `src/client/${name}`] as [string, string]),
];

const load = (path: string, headers: Record<string, string> = {}) => fetch(t.api.url + path, { headers });

it.each(FILES)('%s is the file %s, which a browser keeps and asks about', async (path, file) => {
  const loaded = await load(path);
  expect(loaded.status).toBe(200);
  expect(await loaded.text()).toBe(readFileSync(file, 'utf8'));
  expect(Object.fromEntries(loaded.headers)).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
  });
  const etag = loaded.headers.get('etag') ?? '';
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const again = await load(path, { 'if-none-match': known });
    expect([known, again.status, await again.text(), again.headers.get('etag')]).toEqual([known, 304, '', etag]);
  }
  expect((await load(path, { 'if-none-match': '"other"' })).status).toBe(200);
});

it('The client may be imported by the origins of CORS_ORIGINS, and by no other', async () => {
  for (const path of ['/client.mjs', '/client/errors.mjs']) {
    const allowed = await load(path, { origin: ORIGIN });
    expect(allowed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const other = await load(path, { origin: 'https://evil.example' });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
  }
});

it('Nothing is served beside the files of the client', async () => {
  for (const path of [
    '/client/',
    '/client/nothing.mjs',
    '/client/openapi.d.mts',
    '/client/..%2fmain.ts',
    '/client.d.mts',
  ]) {
    expectProblem(await t.api.call('GET', path), 404, 'not_found');
  }
});
