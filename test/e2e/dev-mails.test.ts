import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { SUBJECTS } from '../support/mailbox.js';
import { temporaryFolder } from '../support/postgres.js';
import { raw } from '../support/raw.js';
import { until } from '../support/until.js';

const DATA_DIR = temporaryFolder();
const FOLDER = join(DATA_DIR, 'mail');
let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  instance = await startInstance({ env: { DATABASE_URL: database.url, DATA_DIR, HOST: '0.0.0.0' } });
});
afterAll(async () => {
  await instance.kill('SIGTERM');
  await database.drop();
});

const mails = () => readdirSync(FOLDER).filter((file) => file.endsWith('.eml'));

/** Signs somebody up, and waits for the file of the mail. */
async function signUp(): Promise<string> {
  const before = mails().length;
  const { user } = await instance.api.signUp();
  await until('the mail is there', () => mails().length > before);
  return user.email;
}

async function page(path = '', headers: Record<string, string> = {}) {
  const response = await fetch(`${instance.url}/dev/mails${path}`, { headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const hrefs = (html: string) => [...html.matchAll(/href="(\/dev\/mails\/2[^"]+)"/g)].map(([, href]) => href!);

/** A request with any Host, which fetch does not let one choose. */
function statusWith(headers: Record<string, string>, host = '127.0.0.1'): Promise<number> {
  const { port } = new URL(instance.url);
  return new Promise((resolve, reject) => {
    const call = request({ host, port, path: '/dev/mails', headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!));
    });
    call.on('error', reject).end();
  });
}

it('Before the first mail the mailbox says how to get one', async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  const { status, text } = await page();
  expect([status, text]).toEqual([200, expect.stringContaining('No mails yet: register')]);
  mkdirSync(FOLDER);
});

it('The mailbox lists each mail with its subject and recipient, the newest first', async () => {
  const emails = [await signUp(), await signUp()];
  const { text } = await page();
  expect(text).toContain(SUBJECTS.verification);
  expect(text.indexOf(emails[1]!)).toBeGreaterThan(0);
  expect(text.indexOf(emails[1]!)).toBeLessThan(text.indexOf(emails[0]!));
});

it('A mail is shown with its HTML part in a sandbox without scripts, its text part with links, and its source', async () => {
  const email = await signUp();
  const [href] = hrefs((await page()).text);
  const path = href!.slice('/dev/mails'.length);

  const { text: shown } = await page(path);
  expect(shown).toContain(`<dd>${email}</dd>`);
  const [link] = /http:\/\/localhost:\d+\/auth\/email\/verify\?token=[\w-]{43}/.exec(shown)!;
  expect(shown).toContain(`<a href="${link}" target="_blank">`);
  expect(shown).toContain(`<iframe src="${href}/html"`);

  const html = await page(`${path}/html`);
  expect(html.text).toContain('<base target="_blank">');
  expect(html.text).toContain(`href="${link}"`);
  const csp = html.headers.get('content-security-policy');
  expect(csp).toMatch(/^sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'/);
  expect(csp).not.toContain('script');
  expect(csp).toContain("frame-ancestors 'self'");

  const source = await page(`${path}/source`);
  expect(source.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(source.text).toBe(readFileSync(join(FOLDER, mails().toSorted().at(-1)!), 'utf8'));
});

it('The file of a mail has its words and links as they are, whatever their length', async () => {
  await signUp();
  const source = readFileSync(join(FOLDER, mails().toSorted().at(-1)!), 'utf8');
  expect(source).toMatch(/^http:\/\/localhost:\d+\/auth\/email\/verify\?token=[\w-]{43}$/m);
  expect(source).not.toMatch(/quoted-printable|=3D|=\r?\n/);
});

it('What a mail says never becomes markup of the mailbox', async () => {
  const name = '2999-01-01T00-00-00.000Z-hostile';
  const words = '<img src=x onerror=alert(1)>';
  writeFileSync(
    join(FOLDER, `${name}.eml`),
    `From: a@example.com\r\nTo: "${words}" <b@example.com>\r\nSubject: ${words}\r\n\r\n${words} http://x.example/"${words}`,
  );
  for (const path of ['', `/${name}`]) {
    const { status, text } = await page(path);
    expect(status).toBe(200);
    expect(text).toContain('&lt;img src=x');
    expect(text).not.toContain('<img');
  }
  rmSync(join(FOLDER, `${name}.eml`));
});

it('Names that are not those of a mail are 404', async () => {
  for (const path of ['/..%2f..%2fjwt-secret', '/%2e%2e', '/nothing', '/nothing/html', '/nothing/source', '/x%00']) {
    expect([path, (await page(path)).status]).toEqual([path, 404]);
  }
});

it('An open mailbox learns at once of a new mail', async () => {
  const stop = new AbortController();
  const response = await fetch(`${instance.url}/dev/mails/changes`, { signal: stop.signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  await signUp();
  let heard = '';
  while (!heard.includes('event: mail')) heard += (await reader.read()).value ?? '';
  stop.abort();
});

it('The mailbox answers only to names of this machine, so that a name of another site cannot lead to it', async () => {
  for (const host of ['localhost', 'localhost:5173', '127.0.0.1:3000', '[::1]:3000']) {
    expect([host, await statusWith({ host })]).toEqual([host, 200]);
  }
  const others = [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example:3000',
    '@',
    '0.0.0.0',
  ];
  for (const host of [...others, 'localhost:', 'evil@localhost', 'localhost, evil.example']) {
    expect([host, await statusWith({ host })]).toEqual([host, 404]);
  }
});

it('The mailbox is not for scripts of other origins, nor for what a proxy passes on', async () => {
  for (const headers of [
    { origin: 'http://localhost:5173' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' },
    { 'x-forwarded-for': '203.0.113.9' },
    { 'x-forwarded-for': '127.0.0.1' },
    { 'x-forwarded-proto': 'http' },
    { 'x-forwarded-host': 'localhost' },
    { forwarded: 'for=203.0.113.9' },
    { 'x-real-ip': '203.0.113.9' },
    { via: '1.1 proxy' },
  ] as Record<string, string>[]) {
    const { status, text } = await page('', headers);
    expect([status, JSON.parse(text).detail]).toEqual([404, expect.stringContaining('on this machine alone')]);
  }
  const link = { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  expect(await statusWith(link)).toBe(200);
});

it('The mailbox is not for other machines, even where HOST lets them reach the service', async () => {
  const other = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal);
  // A machine without a network has no address at which another one could ask.
  if (other) {
    const { port } = new URL(instance.url);
    expect(await statusWith({ host: 'localhost' }, other.address)).toBe(404);
    expect((await fetch(`http://${other.address}:${port}/health/live`)).status).toBe(200);
  }
});

describe('Where PUBLIC_URL is a name of the network and TRUST_PROXY names a proxy on this machine', () => {
  const PUBLIC_URL = 'http://dev.example.com';
  let other: Instance;
  beforeAll(async () => {
    const env = { DATABASE_URL: database.url, DATA_DIR, PUBLIC_URL, TRUST_PROXY: '127.0.0.0/8,::1' };
    other = await startInstance({ env });
  });
  afterAll(() => other.kill('SIGTERM'));

  const answerTo = (headers: readonly string[], version = '1.1') =>
    raw(other.url, [`GET /dev/mails HTTP/${version}`, ...headers, 'Connection: close', '', ''].join('\r\n'));

  it.each([
    ['a connection forwarded as it is', ['Host: dev.example.com']],
    ['a proxy that names its client', ['Host: localhost', 'X-Forwarded-For: 203.0.113.9']],
    ['a proxy that names this machine', ['Host: localhost', 'X-Forwarded-For: 127.0.0.1']],
    ['a proxy that does not name its client', ['Host: localhost', 'X-Forwarded-For: unknown']],
    ['a proxy that names its client by Forwarded', ['Host: localhost', 'Forwarded: for=203.0.113.9']],
  ])('The mailbox is not for %s', async (_, headers) => {
    expect(await answerTo(headers)).toMatch(/^HTTP\/1.1 404 [^]*on this machine alone/);
  });

  it('The mailbox is not for HTTP/1.0, which nginx speaks with its defaults, under the name that it reaches us by', async () => {
    expect(await answerTo([`Host: ${new URL(other.url).host}`], '1.0')).toMatch(/^HTTP\/1.1 404 /);
  });

  it('The mailbox still answers to a browser of this machine', async () => {
    expect(await answerTo([`Host: localhost:${new URL(other.url).port}`])).toMatch(/^HTTP\/1.1 200 /);
  });
});

it.each([
  ['in production', { NODE_ENV: 'production', LOG_LEVEL: 'info' }],
  ['where there is a mail server', { SMTP_URL: 'smtp://127.0.0.1:1' }],
])('There is no mailbox %s', async (_, env) => {
  const other = await startInstance({ env: { DATABASE_URL: database.url, DATA_DIR, ...env } });
  for (const path of ['', '/changes', '/mails.css']) {
    expect((await other.api.call('GET', `/dev/mails${path}`)).body?.detail).toBe('There is nothing at this address.');
  }
  await other.kill('SIGTERM');
});
