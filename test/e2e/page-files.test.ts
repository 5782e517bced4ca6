import { useApp } from '../support/app.js';

// The files of the pages, as a browser finds them: from a page to what it loads, and from there to what that imports.

const t = useApp();
const PAGES = ['/', '/auth/password/reset', '/auth/email/verify', '/auth/email/undo', '/sessions/disown'];

const load = (path: string, headers: Record<string, string> = {}) => fetch(t.api.url + path, { headers });

const LOADED = [
  /<script[^>]* src="([^"]+)"/g,
  /<link[^>]* href="([^"]+)"/g,
  /<img[^>]* src="([^"]+)"/g,
  /^(?:import|export) .*from '([^']+)'/gm,
];

/** Each file that is loaded, in the end, by what is at these addresses. */
async function filesOf(addresses: readonly string[]): Promise<Set<string>> {
  const files = new Set<string>();
  const left = [...addresses];
  for (let address = left.pop(); address !== undefined; address = left.pop()) {
    const text = await (await load(address)).text();
    const paths = LOADED.flatMap((pattern) => [...text.matchAll(pattern)]).map(
      ([, path]) => new URL(path!, t.api.url + address).pathname,
    );
    for (const path of paths.filter((one) => !files.has(one))) {
      files.add(path);
      left.push(path);
    }
  }
  return files;
}

it('What a page loads a browser keeps, and asks each time whether it is still the same', async () => {
  const files = await filesOf(PAGES);
  expect([...files]).toEqual(
    expect.arrayContaining([
      ...['page.mjs', 'signing-out.mjs', 'page.css', 'brand.css', 'logo'].map((name) => `/page/${name}`),
      '/auth/link.js',
      '/auth/link.css',
      '/texts/phrase.mjs',
      '/client.mjs',
      '/client/errors.mjs',
    ]),
  );
  for (const path of files) {
    const loaded = await load(path);
    const etag = loaded.headers.get('etag') ?? '';
    expect([path, loaded.status, loaded.headers.get('cache-control')]).toEqual([path, 200, 'no-cache']);
    expect((await loaded.text()).length).toBeGreaterThan(0);
    for (const known of [etag, `W/${etag}`]) {
      const again = await load(path, { 'if-none-match': known });
      expect([path, again.status, await again.text(), again.headers.get('etag')]).toEqual([path, 304, '', etag]);
    }
    expect((await load(path, { 'if-none-match': '"other"' })).status).toBe(200);
  }
});

it('The pages themselves are not stored', async () => {
  for (const path of PAGES) {
    const { status, headers } = await load(path);
    expect([path, status, headers.get('cache-control')]).toEqual([path, 200, 'no-store']);
    expect(headers.get('etag')).toBeNull();
  }
});
