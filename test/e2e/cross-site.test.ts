import { someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { raw } from '../support/raw.js';

const t = useApp({ CORS_ORIGINS: 'https://app.example.com', PUBLIC_URL: 'https://latchkey.example.com' });
const JSON_TYPE = { 'content-type': 'application/json' };

const from = (headers: Record<string, string>) => t.api.register(someone(), { headers: { ...JSON_TYPE, ...headers } });
const ownHost = () => new URL(t.api.url).host;

it.each<[string, () => Record<string, string>]>([
  ['the same origin', () => ({ 'sec-fetch-site': 'same-origin', origin: 'https://anything.example' })],
  ['the address bar', () => ({ 'sec-fetch-site': 'none' })],
  ['another site that is allowed', () => ({ 'sec-fetch-site': 'cross-site', origin: 'https://app.example.com' })],
  ['a sister site that is allowed', () => ({ 'sec-fetch-site': 'same-site', origin: 'https://app.example.com' })],
  ['an old browser on this host', () => ({ origin: `http://${ownHost()}` })],
  ['an old browser on this host over TLS', () => ({ origin: `https://${ownHost()}` })],
  ['an old browser on the public address', () => ({ origin: 'https://latchkey.example.com' })],
  ['an old browser on an allowed origin', () => ({ origin: 'https://app.example.com' })],
  ['no browser', () => ({})],
])('A registration from %s is accepted', async (_, headers) => {
  expect((await from(headers())).status).toBe(201);
});

it.each<[string, () => Record<string, string>]>([
  ['another site', () => ({ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' })],
  ['another site without origin', () => ({ 'sec-fetch-site': 'cross-site' })],
  [
    'another site that claims the public address',
    () => ({ 'sec-fetch-site': 'cross-site', origin: 'https://latchkey.example.com' }),
  ],
  ['a sister site', () => ({ 'sec-fetch-site': 'same-site', origin: 'https://blog.example.com' })],
  ['an unknown kind of site', () => ({ 'sec-fetch-site': 'other', origin: 'https://app.example.com' })],
  ['an unnamed kind of site', () => ({ 'sec-fetch-site': '', origin: 'https://evil.example' })],
  ['an old browser on another site', () => ({ origin: 'https://evil.example' })],
  ['an old browser on another port', () => ({ origin: 'http://127.0.0.1:1' })],
  ['an opaque origin', () => ({ origin: 'null' })],
  ['an origin that starts like an allowed one', () => ({ origin: 'https://app.example.com.evil.example' })],
  ['another scheme of an allowed host', () => ({ origin: 'http://app.example.com' })],
])('A registration from %s is refused, sets no cookie and changes nothing', async (_, headers) => {
  const credentials = someone();
  const answer = await t.api.register(
    { ...credentials, tokenDelivery: 'cookie' },
    { headers: { ...JSON_TYPE, ...headers() } },
  );
  expectProblem(answer, 403, 'cross_site_request');
  expect(answer.headers.getSetCookie()).toEqual([]);
  expect((await t.api.login(credentials)).status).toBe(401);
});

it('A read from any origin is answered, but only allowed origins get the CORS headers to see the answer', async () => {
  const ask = (origin: string) =>
    t.api.call('GET', '/health/live', { headers: { origin, 'sec-fetch-site': 'cross-site' } });
  const allowed = await ask('https://app.example.com');
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
  expect(allowed.headers.get('access-control-allow-credentials')).toBe('true');
  expect(allowed.headers.get('vary')).toContain('Origin');
  for (const origin of ['https://evil.example', 'null']) {
    expect((await ask(origin)).headers.get('access-control-allow-origin')).toBeNull();
  }
  const preflight = await t.api.call('OPTIONS', '/auth/login', {
    headers: {
      origin: 'https://app.example.com',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
});

it.each(['/auth/login', '/auth/me', '/sessions', '/oauth/introspect', '/oauth/revoke', '/verify/batch', '/nowhere'])(
  'The answer to a preflight of %s has the headers of every answer, with the id of its request',
  async (path) => {
    const preflight = await t.api.call('OPTIONS', path, {
      headers: { origin: 'https://app.example.com', 'access-control-request-method': 'POST', 'x-request-id': 'mine' },
    });
    expect(preflight.status).toBe(204);
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'x-request-id': 'mine',
      'cache-control': 'no-store',
      'strict-transport-security': 'max-age=63072000; includeSubDomains',
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': 'https://app.example.com',
      'access-control-max-age': '600',
    });
  },
);

it('What is refused before its route has both the headers of every answer and those that let an allowed origin see it', async () => {
  const { status, headers } = await t.api.call('GET', `/auth/me?${'x'.repeat(9000)}`, {
    headers: { origin: 'https://app.example.com', 'x-request-id': 'long' },
  });
  expect([status, headers.get('x-request-id'), headers.get('access-control-allow-origin')]).toEqual([
    414,
    'long',
    'https://app.example.com',
  ]);
});

it.each([
  ['accepts the default port of https', 401, 'ex.com:443', 'https://ex.com'],
  ['accepts the default port of http', 401, 'ex.com:80', 'http://ex.com'],
  ['accepts the default port of an IPv6 address', 401, '[::1]:80', 'http://[::1]'],
  ['refuses another port', 403, 'ex.com:8443', 'https://ex.com'],
  ['accepts the longest host there is', 401, 'a.'.repeat(126), `http://${'a.'.repeat(126)}`],
  ['refuses a host that is longer than any', 403, 'a.'.repeat(200), `http://${'a.'.repeat(200)}`],
])('The site check compares host and origin: it %s', async (_, status, host, origin) => {
  const body = JSON.stringify(someone());
  const answer = await raw(
    t.api.url,
    `POST /auth/login HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});
