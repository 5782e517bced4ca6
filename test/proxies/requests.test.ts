import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { WebSocket } from 'ws';
import type { AuthResult } from '../support/api.js';
import { until } from '../support/until.js';
import { bearer, type HeaderLines, NAVIGATION, send } from './client.js';
import { PROXIES, signInAtThePage, useForwardAuth } from './forward-auth.js';
import type { Proxy } from './proxy.js';
import type { Seen } from './dashboard.js';

// What the pages about nginx, Caddy and HAProxy promise, with the configurations that they show.

const t = useForwardAuth();

const values = ({ headers }: Pick<Seen, 'headers'>, name: string) =>
  headers.filter(([one]) => one === name).map(([, value]) => value);

/** What is asked of Latchkey about every request, added as the comment in each configuration says. */
const asking = (query: string) => (configuration: string) =>
  configuration.includes('auth_request')
    ? configuration.replace('http://latchkey/verify;', `http://latchkey/verify?${query};`)
    : configuration.replace('/verify?sign_in=', `/verify?${query}&sign_in=`);

describe.each(PROXIES)('behind %s', (name) => {
  let proxy: Proxy;
  let device: AuthResult;
  beforeAll(async () => {
    proxy = t.proxy(name);
    device = await t.latchkey.api.signUp();
  });
  beforeEach(() => {
    t.dashboard.seen.length = 0;
  });

  it('a request with an access token reaches the dashboard, which learns who asks', async () => {
    const { status, body } = await send(proxy.url, '/reports?month=11', { headers: bearer(device.accessToken) });
    expect([status, body.method, body.url]).toEqual([200, 'GET', '/reports?month=11']);
    expect(values(body, 'x-latchkey-user')).toEqual([device.user.id]);
    expect(values(body, 'x-latchkey-email')).toEqual([device.user.email]);
    expect(values(body, 'x-latchkey-session')).toEqual([device.session.id]);
    expect(values(body, 'x-latchkey-role')).toEqual(['user']);
    expect(values(body, 'x-latchkey-auth-time')).toEqual([expect.stringMatching(/^\d{10}$/)]);
    expect(values(body, 'x-forwarded-host')).toEqual([new URL(proxy.url).host]);
    expect(values(body, 'x-forwarded-proto')).toEqual(['http']);
  });

  it('the dashboard gets what it can verify itself, where the configuration names it as the audience', async () => {
    const { url } = await t.start(name, asking('audience=dashboard'));
    const { body } = await send(url, '/', { headers: bearer(device.accessToken) });
    const [assertion = ''] = values(body, 'x-latchkey-assertion');
    const keys = createRemoteJWKSet(new URL(`${t.latchkey.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(assertion, keys, { audience: 'dashboard', typ: 'latchkey-assertion+jwt' });
    expect([payload.sub, payload['sid']]).toEqual([device.user.id, device.session.id]);
  });

  it('a person who has signed in at the page of Latchkey visits the dashboard', async () => {
    const person = await signInAtThePage(t);
    const { status, body } = await send(proxy.url, '/', { headers: [...NAVIGATION, ...person.visit] });
    expect(status).toBe(200);
    expect(values(body, 'x-latchkey-user')).toEqual([person.user.id]);
    expect(values(body, 'x-latchkey-session')).toEqual([person.session.id]);
  });

  it('the dashboard gets no proof of who asks that it could use elsewhere, and every other cookie', async () => {
    const { cookies: own } = await signInAtThePage(t);
    expect(new Set(own.map((cookie) => cookie.split('=')[0]))).toEqual(new Set(['refresh_token', 'visit']));
    const cookies = ['theme=dark', own[0], 'myvisit=1', own[1], 'language=de'].join('; ');
    for (const headers of [[['cookie', cookies]], [...bearer(device.accessToken), ['cookie', cookies]]] as const) {
      const { status, body } = await send(proxy.url, '/', { headers });
      expect(status).toBe(200);
      expect(values(body, 'authorization')).toEqual([]);
      expect(values(body, 'cookie')).toEqual(['theme=dark; myvisit=1; language=de']);
    }
  });

  // A site can set cookies for its own host that look like those of Latchkey, and come beside them.
  it.each([
    [['visit=SECRET; __Secure-visit=x']],
    [['__Secure-visit=SECRET; visit=x']],
    [['theme=dark; __Host-visit=x; visit=SECRET; __Host-visit=y; visit=z']],
    [['refresh_token=SECRET; theme=dark; __Host-refresh_token=x']],
    [['__Host-refresh_token=SECRET; refresh_token=x; visit=y']],
    [['theme=dark;\tvisit=SECRET']],
    [['theme=dark; \t refresh_token=SECRET; language=de']],
    [['theme=dark', 'visit=SECRET; visit=x']],
    [['visit=SECRET; visit=x', 'theme=dark']],
    [['refresh_token=SECRET', '__Host-refresh_token=SECRET; refresh_token=x', 'visit=SECRET;\tvisit=x']],
  ])('the dashboard gets no cookie at all where a proof is there twice, or after a tab: %j', async (lines) => {
    const secret = randomBytes(16).toString('hex');
    const cookies = lines.map((line) => ['cookie', line.replaceAll('SECRET', secret)] as const);
    const { status, body } = await send(proxy.url, '/', { headers: [...bearer(device.accessToken), ...cookies] });
    expect([status, values(body, 'cookie')]).toEqual([200, []]);
    expect(JSON.stringify(body)).not.toContain(secret);
  });

  it('the dashboard gets no proof that is in a line of its own, or beside another', async () => {
    const secret = randomBytes(16).toString('hex');
    const lines = [`visit=${secret}`, 'theme=dark', `__Secure-visit=${secret}`, `refresh_token=${secret}; language=de`];
    const cookies = lines.map((line) => ['cookie', line] as const);
    const { status, body } = await send(proxy.url, '/', { headers: [...bearer(device.accessToken), ...cookies] });
    expect([status, JSON.stringify(body).includes(secret)]).toEqual([200, false]);
  });

  it('the dashboard gets cookies whose names or values only resemble those, as they were sent', async () => {
    const similar =
      'revisit=1; visit_count=2; visits=3; my_refresh_token=4; __Host-own=5; last=visit=6; Visit=7; b="8, visit"';
    const { body } = await send(proxy.url, '/', { headers: [...bearer(device.accessToken), ['cookie', similar]] });
    expect(values(body, 'cookie')).toEqual([similar]);
  });

  it('a request without a proof, or with a wrong one, is refused with a challenge', async () => {
    const without = await send(proxy.url, '/');
    expect([without.status, without.headers['content-type'], without.body.status]).toEqual([
      401,
      expect.stringContaining('application/problem+json'),
      401,
    ]);
    expect(without.headers['www-authenticate']).toMatch(/^Bearer\b(?!.*error=)/);
    const wrong = await send(proxy.url, '/', { headers: bearer('wrong') });
    expect([wrong.status, wrong.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(/^Bearer .*error="invalid_token"/),
    ]);
    expect(t.dashboard.seen).toEqual([]);
  });

  it('a person who opens a page without being signed in is sent to the page of Latchkey, and back afterwards', async () => {
    const path = '/reports/a%20b?month=11&year=2026&next=%2Fhome';
    const { status, headers } = await send(proxy.url, path, { headers: NAVIGATION });
    expect(status).toBe(302);
    const { origin, pathname, searchParams } = new URL(String(headers['location']));
    expect([origin, pathname]).toEqual([t.latchkey.url, '/']);
    expect([...searchParams]).toEqual([['return_to', proxy.url + path]]);
    expect(headers['set-cookie']).toBeUndefined();
    expect(t.dashboard.seen).toEqual([]);
  });

  it('only who waits for a page is sent to one: no script, and no form that would lose what it sends', async () => {
    const script = [
      ['sec-fetch-mode', 'cors'],
      ['accept', '*/*'],
    ] as const;
    expect((await send(proxy.url, '/', { headers: script })).status).toBe(401);
    expect((await send(proxy.url, '/', { method: 'POST', body: 'a=1', headers: NAVIGATION })).status).toBe(401);
    expect(t.dashboard.seen).toEqual([]);
  });

  it('a session that has ended opens nothing from the next request on, for tokens and for visits', async () => {
    const person = await signInAtThePage(t);
    const proofs = [bearer(person.accessToken), person.visit];
    const statuses = () => Promise.all(proofs.map(async (headers) => (await send(proxy.url, '/', { headers })).status));
    expect(await statuses()).toEqual([200, 200]);
    await t.latchkey.api.call('POST', '/auth/logout', { bearer: person.accessToken });
    t.dashboard.seen.length = 0;
    expect(await statuses()).toEqual([401, 401]);
    expect(t.dashboard.seen).toEqual([]);
  });

  it('a session that has less than is demanded is refused with 403, and is told what would help', async () => {
    const admins = await t.start(name, asking('role=admin'));
    const role = await send(admins.url, '/', { headers: bearer(device.accessToken) });
    expect([role.status, role.body.status]).toEqual([403, 403]);

    const recent = await t.start(name, asking('max_age=0'));
    await until('a second has passed', async () => {
      const { status } = await send(recent.url, '/', { headers: bearer(device.accessToken) });
      return status !== 200;
    });
    const age = await send(recent.url, '/', { headers: bearer(device.accessToken) });
    expect(age.status).toBe(403);
    expect(age.headers['www-authenticate']).toMatch(/error="insufficient_user_authentication".*max_age="?0/);
    expect(t.dashboard.seen.filter(({ headers }) => !headers.some(([one]) => one === 'x-latchkey-user'))).toEqual([]);
  });

  it.each([401, 403, 404, 500, 502, 503])(
    'an answer of the dashboard with status %d is passed on as it is',
    async (status) => {
      const answer = await send(proxy.url, `/status/${status}`, { headers: bearer(device.accessToken) });
      expect([answer.status, answer.body.url]).toEqual([status, `/status/${status}`]);
      expect(answer.headers['retry-after']).toBeUndefined();
    },
  );

  it.each([
    ['with its length', 'length'],
    ['in chunks', 'chunks'],
  ])('a large body %s reaches the dashboard whole, and Latchkey not at all', async (_, form) => {
    const body = randomBytes(2 * 1024 * 1024).toString('hex');
    t.tap.forget();
    const answer = await fetch(`${proxy.url}/upload`, {
      method: 'POST',
      headers: { authorization: `Bearer ${device.accessToken}`, 'content-type': 'application/json' },
      body: form === 'length' ? body : new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    const seen = (await answer.json()) as Seen;
    expect([answer.status, seen.method, seen.bytes]).toEqual([200, 'POST', body.length]);
    expect(seen.sha256).toBe(createHash('sha256').update(body).digest('hex'));
    expect(values(seen, 'x-latchkey-user')).toEqual([device.user.id]);
    expect(t.tap.asked()).toContain('/verify');
    expect(t.tap.asked()).not.toContain(body.slice(0, 64));
    expect(t.tap.asked().length).toBeLessThan(4_000);
  });

  it('a large body without a proof does not reach the dashboard', async () => {
    const { status } = await send(proxy.url, '/upload', { method: 'POST', body: randomBytes(64 * 1024) });
    expect(status).toBe(401);
    expect(t.dashboard.seen).toEqual([]);
  });

  it('a WebSocket opens after the check, and not without a proof', async () => {
    const open = (headers: HeaderLines) =>
      new WebSocket(`${proxy.url.replace('http', 'ws')}/live`, { headers: Object.fromEntries(headers) });
    const person = await signInAtThePage(t);
    for (const headers of [bearer(device.accessToken), person.visit]) {
      const socket = open(headers);
      await once(socket, 'open');
      socket.send('hello');
      const [message] = await once(socket, 'message');
      expect(String(message)).toBe('echo hello');
      socket.terminate();
    }
    expect(t.dashboard.seen.map((seen) => values(seen, 'x-latchkey-user'))).toEqual([
      [device.user.id],
      [person.user.id],
    ]);
    t.dashboard.seen.length = 0;

    for (const headers of [[], bearer('wrong'), [['cookie', 'visit=wrong']]] as HeaderLines[]) {
      const [, response] = await once(
        open(headers).on('error', () => undefined),
        'unexpected-response',
      );
      expect(response.statusCode).toBe(401);
      response.destroy();
    }
    expect(t.dashboard.seen).toEqual([]);
  });

  it('an event stream arrives event by event', async () => {
    const abort = new AbortController();
    const stream = await fetch(`${proxy.url}/events`, {
      headers: { authorization: `Bearer ${device.accessToken}`, accept: 'text/event-stream' },
      signal: abort.signal,
    });
    expect(stream.status).toBe(200);
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (const event of ['one', 'two']) {
      t.dashboard.send(event);
      let text = '';
      while (!text.includes(event)) text += (await reader.read()).value ?? '';
      expect(text).toContain(`data: ${event}`);
    }
    abort.abort();
  });

  it('requests on one connection are checked one by one', async () => {
    const person = await signInAtThePage(t);
    const { Agent, request } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = () =>
      new Promise<{ status: number; port: number | undefined }>((resolve, reject) => {
        request(`${proxy.url}/`, { agent, headers: { authorization: `Bearer ${person.accessToken}` } }, (response) => {
          const port = response.socket.localPort;
          response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, port }));
        })
          .on('error', reject)
          .end();
      });
    const before = await ask();
    await t.latchkey.api.call('POST', '/auth/logout', { bearer: person.accessToken });
    const after = await ask();
    agent.destroy();
    expect([before.status, after.status]).toEqual([200, 401]);
    expect(after.port).toBe(before.port);
  });
});
