import { readFileSync } from 'node:fs';
import { useInstances } from '../support/instances.js';
import { bearer, type HeaderLines, NAVIGATION, send } from './client.js';

// Traefik, Envoy and APISIX, which are not installed: what they ask Latchkey by their documentation, line by line, with the
// addresses of the configurations that we show. Nothing else of them is tried here.

const ORIGIN = 'https://dashboard.example.com';
const FOLDER = 'src/forward-auth/proxies';

const t = useInstances(1, {
  env: {
    VISIT_COOKIE: 'on',
    COOKIE_SECURE: 'on',
    TRUST_PROXY: '1',
    PUBLIC_URL: 'http://localhost:3000',
    RETURN_TO_ORIGINS: ORIGIN,
  },
});

/** A request that came to a proxy over https, for the dashboard. */
interface Request {
  readonly method: string;
  readonly uri: string;
  readonly headers: HeaderLines;
  readonly body?: string;
}

interface Gateway {
  readonly file: string;
  readonly canRedirect: boolean;
  /** What it asks Latchkey about a request. */
  readonly ask: (request: Request, configuration: string) => Request;
}

const HOST = new URL(ORIGIN).host;
const HOP_BY_HOP = /^(connection|keep-alive|te|trailers?|transfer-encoding|upgrade|proxy-.*|content-length|host)$/i;

const pick = ({ headers }: Request, names: readonly string[]): HeaderLines =>
  headers.filter(([name]) => names.includes(name.toLowerCase()));

const forwarded = ({ method, uri }: Request): HeaderLines => [
  ['X-Forwarded-Method', method],
  ['X-Forwarded-Proto', 'https'],
  ['X-Forwarded-Host', HOST],
  ['X-Forwarded-Uri', uri],
  ['X-Forwarded-For', '203.0.113.7'],
];

/** The address in a configuration. */
function addressIn(configuration: string, pattern: RegExp): string {
  const [, path] = pattern.exec(configuration) ?? [];
  if (path === undefined) throw new Error(`nothing like ${pattern} is there`);
  return path;
}

const GATEWAYS: Record<string, Gateway> = {
  // GET, whatever the method was. All headers but those of the connection; no body.
  Traefik: {
    file: 'traefik.yaml',
    canRedirect: true,
    ask: (request, configuration) => ({
      method: 'GET',
      uri: addressIn(configuration, /address: http:\/\/127\.0\.0\.1:3000(\S+)/),
      headers: [
        ...request.headers.filter(([name]) => !HOP_BY_HOP.test(name)),
        ...forwarded(request),
        ['X-Forwarded-Port', '443'],
        ['X-Forwarded-Server', 'edge-1'],
        ['X-Real-Ip', '203.0.113.7'],
        ['Accept-Encoding', 'gzip'],
      ],
    }),
  },
  // With `preserveRequestMethod` and `forwardBody`: the method and the body, too.
  'Traefik with method and body': {
    file: 'traefik.yaml',
    canRedirect: true,
    ask: (request, configuration) => ({
      ...GATEWAYS['Traefik']!.ask(request, configuration),
      method: request.method,
      ...(request.body !== undefined && { body: request.body }),
    }),
  },
  // Host, method, path and query of the request, behind a prefix; the length is 0. Of the headers those that are allowed.
  Envoy: {
    file: 'envoy.yaml',
    canRedirect: false,
    ask: (request, configuration) => ({
      method: request.method,
      uri: addressIn(configuration, /path_prefix: (\S+)/) + request.uri,
      headers: [
        ...pick(request, ['authorization', 'cookie']),
        ['content-length', '0'],
        ['x-envoy-internal', 'true'],
        ['x-forwarded-for', '203.0.113.7'],
        ['x-forwarded-proto', 'https'],
        ['x-envoy-expected-rq-timeout-ms', '5000'],
      ],
    }),
  },
  // The same with `path_override`: its address, and the headers that are named with it.
  'Envoy with another path': {
    file: 'envoy.yaml',
    canRedirect: true,
    ask: (request, configuration) => ({
      method: request.method,
      uri: addressIn(configuration, /path_override: (\S+)/),
      headers: [
        ...pick(request, ['authorization', 'cookie', 'accept', 'sec-fetch-mode']),
        ['content-length', '0'],
        ['x-forwarded-for', '203.0.113.7'],
        ['x-forwarded-proto', 'https'],
        ['x-forwarded-host', HOST],
      ],
    }),
  },
  // GET, with the headers that are named.
  APISIX: {
    file: 'apisix.yaml',
    canRedirect: true,
    ask: (request, configuration) => ({
      method: 'GET',
      uri: addressIn(configuration, /uri: http:\/\/127\.0\.0\.1:3000(\S+)/),
      headers: [
        ['User-Agent', 'lua-resty-http/0.17.2 (Lua) ngx_lua/10028'],
        ...forwarded(request),
        ...pick(request, ['authorization', 'cookie', 'accept', 'sec-fetch-mode']),
      ],
    }),
  },
};

const NAMES = ['User', 'Email', 'Session', 'Role', 'Auth-Time', 'Acr', 'Assertion'].map(
  (name) => `x-latchkey-${name.toLowerCase()}`,
);

describe.each(Object.keys(GATEWAYS))('asked by %s', (name) => {
  const { file, canRedirect, ask } = GATEWAYS[name]!;
  const configuration = readFileSync(`${FOLDER}/${file}`, 'utf8');

  const answerTo = ({ method = 'GET', uri = '/', headers = [], body }: Partial<Request>) => {
    const asked = ask(
      { method, uri, headers: [['host', HOST], ...headers], ...(body !== undefined && { body }) },
      configuration,
    );
    return send(t.a.url, asked.uri, asked);
  };

  it('a session is let in, and every header about it is there', async () => {
    const { accessToken, user } = await t.a.signUp();
    const { status, headers, text } = await answerTo({
      uri: '/reports?month=11',
      headers: bearer(accessToken),
    });
    expect([status, text]).toEqual([200, '']);
    expect(
      Object.keys(headers)
        .filter((header) => header.startsWith('x-latchkey-'))
        .toSorted(),
    ).toEqual(NAMES.toSorted());
    expect(headers['x-latchkey-user']).toBe(user.id);
  });

  it('the configuration takes every header about the user', () => {
    const prefix = /authResponseHeadersRegex: \(\?i\)\^X-Latchkey-|prefix: x-latchkey-/.test(configuration);
    const named = NAMES.every((header) => new RegExp(`- ${header}$`, 'im').test(configuration));
    expect(prefix || named).toBe(true);
  });

  it('a visit is let in, and ends with its session', async () => {
    const answer = await t.a.register({
      email: `visitor-${Math.random().toString(36).slice(2)}@example.com`,
      password: 'the passphrase of a visitor',
      tokenDelivery: 'cookie',
    });
    const visit = answer.headers.getSetCookie().find((line) => line.startsWith('__Host-visit='))!;
    const headers: HeaderLines = [...NAVIGATION, ['cookie', `theme=dark; ${visit.split(';')[0]}`]];
    expect((await answerTo({ headers })).status).toBe(200);
    await t.a.call('POST', '/auth/logout', { bearer: answer.body.accessToken });
    expect((await answerTo({ headers })).status).toBe(canRedirect ? 302 : 401);
  });

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    '%s with a body of any kind is let in, as a browser sends it from the dashboard',
    async (method) => {
      const { accessToken } = await t.a.signUp();
      const body = '{"half of';
      const { status } = await answerTo({
        method,
        uri: '/api/items?sort=name',
        headers: [
          ...bearer(accessToken),
          ['origin', ORIGIN],
          ['sec-fetch-site', 'same-origin'],
          ['sec-fetch-mode', 'cors'],
          ['content-type', 'application/json'],
          ['access-control-request-method', 'POST'],
        ],
        ...(method !== 'GET' && method !== 'HEAD' && { body }),
      });
      expect(status).toBe(200);
    },
  );

  it('a handshake of a WebSocket is let in, and not without a proof', async () => {
    const { accessToken } = await t.a.signUp();
    const headers: HeaderLines = [
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ];
    expect((await answerTo({ uri: '/live', headers: [...headers, ...bearer(accessToken)] })).status).toBe(200);
    expect((await answerTo({ uri: '/live', headers })).status).toBe(401);
  });

  it.each([
    '/health/live',
    '/batch',
    '/verify/batch',
    '/../health/live',
    '/oauth/introspect',
    '/%2e%2e/health',
    '//',
    '/?sign_in=x&role=user',
  ])('nothing is let in without a proof, whatever is asked for: %s', async (uri) => {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const answer = await answerTo({ method, uri });
      expect([uri, method, answer.status]).toEqual([uri, method, 401]);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    }
  });

  it('a person is sent to the page of Latchkey, and back to what was asked for', async () => {
    const { status, headers } = await answerTo({ uri: '/reports?month=11&year=2026', headers: NAVIGATION });
    if (!canRedirect) {
      expect(status).toBe(401);
      return;
    }
    expect(status).toBe(302);
    const location = new URL(String(headers['location']));
    expect(location.origin).toBe('http://localhost:3000');
    // Envoy names no path.
    const isPathKnown = file !== 'envoy.yaml';
    expect(location.searchParams.get('return_to')).toBe(`${ORIGIN}/${isPathKnown ? 'reports?month=11&year=2026' : ''}`);
  });
});
