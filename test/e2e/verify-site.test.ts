import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Answer, someone } from '../support/api.js';
import { useApp } from '../support/app.js';

// As in production: https ends at a proxy, a site has a host of its own, and the page signs people in for it.
const t = useApp({
  COOKIE_SECURE: 'on',
  TRUST_PROXY: '1',
  PUBLIC_URL: 'https://auth.example.com',
  CORS_ORIGINS: 'https://app.example.com',
  RETURN_TO_ORIGINS: 'https://app.example.com,http://plain.example.com:8080',
  VISIT_COOKIE: 'on',
  VISIT_COOKIE_DOMAIN: 'example.com',
  JWT_ALGORITHM: 'HS256',
});

type Query = Record<string, string> | [string, string][];

interface Told {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const SIGN_IN = 'https://auth.example.com/?lang=de';
const NAVIGATION = { 'sec-fetch-mode': 'navigate', accept: 'text/html,*/*;q=0.8' };
const FORWARDED = {
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'app.example.com',
  'x-forwarded-uri': '/reports?page=2&q=a%20b',
};

/** Not with fetch, which says of itself how it fetches. */
async function ask(query: Query, headers: Record<string, string>, { method = 'GET', below = '' } = {}): Promise<Told> {
  const question = `${t.api.url}/verify${below}?${new URLSearchParams(query).toString()}`;
  const [answer] = (await once(request(question, { method, headers }).end(), 'response')) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

async function signedIn() {
  const answer = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
  const cookies = answer.headers.getSetCookie();
  return { answer, cookies, cookie: cookies.map((one) => one.split(';')[0]).join('; '), ...answer.body };
}

const attributesOf = ({ headers }: Answer, name: string): string[] =>
  (headers.getSetCookie().find((one) => one.startsWith(`${name}=`)) ?? '')
    .split(';')
    .slice(1)
    .map((one) => one.trim());

describe('signing in', () => {
  it('A browser that asks for a page is sent to the sign-in, with where it wanted to go', async () => {
    const navigations: Record<string, string>[] = [
      NAVIGATION,
      { 'sec-fetch-mode': 'navigate' },
      { accept: 'text/html' },
      { accept: 'Text/HTML' },
      { accept: 'application/xml, text/html;level=1;q=0.1' },
    ];
    for (const headers of navigations) {
      const answer = await ask({ sign_in: SIGN_IN }, { ...FORWARDED, ...headers });
      expect([headers, answer.status]).toEqual([headers, 302]);
      const location = new URL(answer.headers.location!);
      expect(location.origin + location.pathname).toBe('https://auth.example.com/');
      expect([...location.searchParams]).toEqual([
        ['lang', 'de'],
        ['return_to', 'https://app.example.com/reports?page=2&q=a%20b'],
      ]);
      expect(answer.body).toBe('');
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(answer.headers['www-authenticate']).toBeUndefined();
    }
  });

  it('An ended session is sent to the sign-in as well, and an open one is not', async () => {
    const { cookie, accessToken, session } = await signedIn();
    const headers = { ...NAVIGATION, ...FORWARDED, cookie };
    expect((await ask({ sign_in: SIGN_IN }, headers)).status).toBe(200);
    await t.api.endSession(accessToken, session.id);
    expect((await ask({ sign_in: SIGN_IN }, headers)).status).toBe(302);
  });

  it.each([
    ['a script', 'GET', { 'sec-fetch-mode': 'cors', accept: '*/*' }],
    ['a program', 'GET', { accept: 'application/json' }],
    ['a program that takes anything', 'GET', { accept: '*/*' }],
    ['a program that takes no HTML', 'GET', { accept: 'text/html;q=0, application/json' }],
    ['a program that takes another type', 'GET', { accept: 'text/html-sandboxed, application/json;of="text/html"' }],
    ['a form', 'POST', NAVIGATION],
    ['a HEAD', 'HEAD', NAVIGATION],
    ['a form that a proxy asks about with GET', 'GET', { ...NAVIGATION, 'x-forwarded-method': 'POST' }],
    ['a form, as nginx says it', 'GET', { ...NAVIGATION, 'x-original-method': 'POST' }],
  ])('The request of %s is 401, and no redirect', async (_, method, headers) => {
    expect((await ask({ sign_in: SIGN_IN }, { ...FORWARDED, ...headers }, { method })).status).toBe(401);
  });

  it('Without sign_in there is no redirect, and none instead of 403', async () => {
    expect((await ask({}, NAVIGATION)).status).toBe(401);
    const { cookie } = await signedIn();
    expect((await ask({ sign_in: SIGN_IN, role: 'admin' }, { ...NAVIGATION, cookie })).status).toBe(403);
    expect((await ask({ sign_in: SIGN_IN, max_age: '0' }, { ...NAVIGATION, cookie })).status).toBe(403);
  });

  it.each([
    ['https://evil.example.com/'],
    ['https://auth.example.com.evil.com/'],
    ['https://auth.example.com@evil.com/'],
    ['https://user@auth.example.com/'],
    ['blob:https://auth.example.com/5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61'],
    ['http://auth.example.com/'],
    ['https://auth.example.com:8443/'],
    ['//auth.example.com/'],
    ['/'],
    ['javascript:alert(1)'],
    ['data:text/html,x'],
    [''],
    ['https://auth.example.com/\\@evil.com\r\nX: y'.replace('auth', 'evil')],
  ])('Nobody is sent to %j', async (signIn) => {
    const answer = await ask({ sign_in: signIn }, { ...NAVIGATION, ...FORWARDED });
    expect([answer.status, answer.headers.location]).toEqual([403, undefined]);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'validation_failed', errors: [{ field: 'sign_in' }] });
  });

  it('A sign_in that is there twice, or where the query is the client’s, sends nobody anywhere', async () => {
    const twice = await ask(
      [
        ['sign_in', SIGN_IN],
        ['sign_in', SIGN_IN],
      ],
      NAVIGATION,
    );
    expect([twice.status, twice.headers.location]).toEqual([403, undefined]);
    expect((await ask({ sign_in: SIGN_IN }, NAVIGATION, { below: '/app' })).status).toBe(401);
  });

  it.each([
    ['nothing', {}],
    ['another host', { ...FORWARDED, 'x-forwarded-host': 'evil.example.com' }],
    ['another port', { ...FORWARDED, 'x-forwarded-host': 'app.example.com:8443' }],
    ['another scheme', { ...FORWARDED, 'x-forwarded-proto': 'http' }],
    ['a script', { ...FORWARDED, 'x-forwarded-proto': 'javascript' }],
    ['a host that goes on in the path', { ...FORWARDED, 'x-forwarded-uri': '.evil.com/' }],
    ['a user before another host', { ...FORWARDED, 'x-forwarded-uri': '@evil.com/' }],
    ['two hosts', { ...FORWARDED, 'x-forwarded-host': 'app.example.com, evil.example.com' }],
    ['a name and a password', { 'x-original-url': 'https://a:b@app.example.com/' }],
    ['a blob', { 'x-original-url': 'blob:https://app.example.com/5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' }],
    ['a path alone', { 'x-original-url': '/reports' }],
    ['an address that is too long', { 'x-original-url': `https://app.example.com/${'a'.repeat(4096)}` }],
  ])('Where %s is forwarded, a person is sent to the sign-in without a way back', async (_, headers) => {
    const answer = await ask({ sign_in: SIGN_IN }, { ...NAVIGATION, ...headers });
    expect([answer.status, answer.headers.location]).toEqual([302, SIGN_IN]);
  });

  it.each([
    ['https://app.example.com/reports?page=2#top', 'https://app.example.com/reports?page=2#top'],
    ['http://plain.example.com:8080', 'http://plain.example.com:8080/'],
    ['https://auth.example.com/x', 'https://auth.example.com/x'],
    ['https://app.example.com//evil.com/\\x', 'https://app.example.com//evil.com//x'],
  ])('The way back may be %s, as nginx forwards it', async (url, returnTo) => {
    const answer = await ask({ sign_in: SIGN_IN }, { ...NAVIGATION, ...FORWARDED, 'x-original-url': url });
    expect(new URL(answer.headers.location!).searchParams.get('return_to')).toBe(returnTo);
  });
});

describe('the visit cookie of a domain', () => {
  it('It is set beside that of the refresh token with the domain, and cleared with it', async () => {
    const { cookies, answer, cookie, accessToken } = await signedIn();
    expect(cookies.map((one) => one.split('=')[0])).toEqual(['__Host-refresh_token', '__Secure-visit']);
    expect(attributesOf(answer, '__Secure-visit').toSorted()).toEqual([
      'Domain=example.com',
      'HttpOnly',
      'Max-Age=604800',
      'Path=/',
      'SameSite=Lax',
      'Secure',
    ]);
    const out = await t.api.call('POST', '/auth/logout', { cookie, bearer: accessToken });
    expect(attributesOf(out, '__Secure-visit')).toEqual(
      expect.arrayContaining(['Max-Age=0', 'Domain=example.com', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax']),
    );
  });

  it('A cookie of another name is none, whatever it holds', async () => {
    const { cookie } = await signedIn();
    const [, value] = /__Secure-visit=([^;]+)/.exec(cookie)!;
    for (const name of ['visit', '__Host-visit', '__secure-visit', '__Secure-visit2', '\u00a0__Secure-visit']) {
      const answer = await t.api.call('GET', '/verify', { cookie: encodeURI(`${name}=${value}`) });
      expect([name, answer.status]).toEqual([name, 401]);
    }
    expect((await t.api.call('GET', '/verify', { cookie: `__Secure-visit=${value}` })).status).toBe(200);
  });
});

it('A preflight is a question like any other: no allowed origin answers it', async () => {
  const { accessToken } = await signedIn();
  const headers = { origin: 'https://app.example.com', 'access-control-request-method': 'POST' };
  const answer = await t.api.call('OPTIONS', '/verify', { headers });
  expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([401, null]);
  expect((await t.api.call('OPTIONS', '/verify', { headers, bearer: accessToken })).status).toBe(200);
});

it('That the original request came over plain http refuses no question, though it refuses the request itself', async () => {
  const { accessToken: bearer } = await signedIn();
  const headers = { 'x-forwarded-proto': 'http' };
  expect((await t.api.call('GET', '/auth/me', { bearer, headers })).body.code).toBe('https_required');
  expect((await t.api.call('GET', '/verify', { bearer, headers })).status).toBe(200);
});

it('Under HS256 nobody else could verify an assertion, so there is none', async () => {
  const { accessToken: bearer } = await signedIn();
  const { status, headers } = await t.api.call('GET', '/verify?audience=https://app.example.com', { bearer });
  expect([status, headers.get('x-latchkey-assertion')]).toEqual([200, '']);
});
