import type { AuthResult } from '../support/api.js';
import { raw } from '../support/raw.js';
import { bearer, type HeaderLines, NAVIGATION, send } from './client.js';
import type { Seen } from './dashboard.js';
import { PROXIES, signInAtThePage, useForwardAuth } from './forward-auth.js';
import type { Proxy } from './proxy.js';

// How others let requests through: advisories of 2024 to 2026 about forward authentication, each tried on each proxy.

const t = useForwardAuth();

/** What an application may take for a statement about the user: CGI and its heirs make one name of all of these. */
const statements = ({ headers }: Pick<Seen, 'headers'>): string[] =>
  headers
    .map(([name, value]) => [name.replaceAll(/[^a-z0-9]/g, '-'), value] as const)
    .filter(([name]) => name.startsWith('x-latchkey'))
    .map(([name, value]) => `${name}: ${value}`)
    .toSorted();

describe.each(PROXIES)('behind %s', (name) => {
  let proxy: Proxy;
  let device: AuthResult;
  let honest: string[];
  beforeAll(async () => {
    proxy = t.proxy(name);
    device = await t.latchkey.api.signUp();
    honest = statements((await send(proxy.url, '/', { headers: bearer(device.accessToken) })).body);
    expect(honest.length).toBeGreaterThanOrEqual(5);
  });
  beforeEach(() => {
    t.dashboard.seen.length = 0;
  });

  const ask = (headers: HeaderLines) => send(proxy.url, '/', { headers: [...bearer(device.accessToken), ...headers] });

  it.each([
    // Caddy, CVE-2026-30851 (GHSA-7r4p-vjf4-gxv4), and APISIX, pull request 13183: a header that the answer does not have
    // was left as the client sent it.
    ['X-Latchkey-User'],
    ['X-Latchkey-Role'],
    ['X-Latchkey-Acr'],
    ['X-Latchkey-Assertion'],
    ['X-Latchkey-Anything'],
    ['x-latchkey-role'],
    ['X-LATCHKEY-ROLE'],
    // OAuth2 Proxy, CVE-2025-64484; Caddy, CVE-2026-52845 (GHSA-f59h-q822-g45g); Traefik, GHSA-x677-9fxg-v5c5 and
    // CVE-2026-33433: another spelling, which the application took for the same name.
    ['X_Latchkey_Role'],
    ['X_LATCHKEY_ROLE'],
    ['X-Latchkey_Role'],
    ['X_Latchkey-Role'],
    ['X_Latchkey_Anything'],
    // The same with dots, and with every other sign that a name may have: Traefik, CVE-2026-88879.
    ['X.Latchkey.Role'],
    ['X-Latchkey.Role'],
    ['X!Latchkey!Role'],
    ['X~Latchkey~Role'],
    ["X'Latchkey+Role"],
  ])('a client cannot say who it is by %s, once or more often', async (header) => {
    for (const headers of [
      [[header, 'admin']],
      [
        [header, ''],
        [header, 'admin'],
        [header, 'user, admin'],
      ],
    ] as const) {
      const { status, body } = await ask(headers);
      expect([status, statements(body)]).toEqual([200, honest]);
    }
  });

  // Traefik, CVE-2026-88004 (GHSA-v67p-phpq-fc8x): names were looked for among the headers, not among the trailers.
  it('a client cannot say who it is in the trailers of a body', async () => {
    const trailers = ['X-Latchkey-Role', 'X_Latchkey_Role'].map((header) => `${header}: admin\r\n`).join('');
    const answer = await raw(
      proxy.url,
      `POST / HTTP/1.1\r\nHost: ${new URL(proxy.url).host}\r\nConnection: close\r\nTrailer: X-Latchkey-Role\r\n` +
        `Authorization: Bearer ${device.accessToken}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n${trailers}\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    const [seen] = t.dashboard.seen;
    expect([statements(seen!), seen!.bytes]).toEqual([honest, 1]);
    // Its documentation says so: applications must not take trailers for headers, or need HAProxy 3.2.
    expect(seen!.trailers).toHaveLength(name === 'haproxy' ? 4 : 0);
  });

  // Traefik, CVE-2024-45410 (GHSA-62c8-mh53-4cqv) and GHSA-92mv-8f8w-wq52; Fabio, CVE-2025-48865: "Connection" made the
  // proxy remove what it had added itself.
  it.each([['Connection'], ['connection']])(
    'a client cannot have the headers about it removed by %s',
    async (header) => {
      const names = honest.map((statement) => statement.split(':')[0]).join(', ');
      for (const value of [`close, ${names}`, names.toUpperCase(), `keep-alive,${names}`]) {
        const { status, body } = await ask([[header, value]]);
        expect([status, statements(body)]).toEqual([200, honest]);
        expect(JSON.stringify(body.headers.filter(([one]: [string]) => one === 'connection'))).not.toMatch(/latchkey/i);
      }
    },
  );

  it('a client that has its proof removed by "Connection" is refused', async () => {
    const { visit } = await signInAtThePage(t);
    for (const headers of [bearer(device.accessToken), visit]) {
      const { status } = await send(proxy.url, '/', { headers: [...headers, ['connection', 'authorization, cookie']] });
      // Who does not obey it has checked the proof.
      expect(t.dashboard.seen.map((seen) => statements(seen).length > 4)).toEqual(status === 200 ? [true] : []);
      expect([200, 401]).toContain(status);
      t.dashboard.seen.length = 0;
    }
  });

  // Envoy, pull request 44525: "Connection" was not cleaned where a connection is upgraded.
  it('a client cannot have the headers about it removed while it opens a WebSocket', async () => {
    const names = honest.map((statement) => statement.split(':')[0]).join(', ');
    await raw(proxy.url, upgrade('websocket', `Upgrade, ${names}`), (socket) =>
      socket.setTimeout(200, () => socket.end()),
    );
    expect(t.dashboard.seen.filter((seen) => statements(seen).length !== honest.length)).toEqual([]);
  });

  const upgrade = (protocol: string, connection: string, more = '') =>
    `GET /live HTTP/1.1\r\nHost: ${new URL(proxy.url).host}\r\nAuthorization: Bearer ${device.accessToken}\r\n` +
    `Connection: ${connection}\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Version: 13\r\n` +
    `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`;

  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: dashboard\r\n\r\n';

  it.each([
    // What Pingora and nghttpx got wrong: CVE-2026-2833 and CVE-2026-58055. A protocol that opens a tunnel past the check.
    ['h2c', (): string => upgrade('h2c', 'Upgrade, HTTP2-Settings', 'HTTP2-Settings: AAMAAABkAAQAAP__\r\n')],
    ['TLS/1.0', () => upgrade('TLS/1.0', 'Upgrade')],
    ['websocket, h2c', () => upgrade('websocket, h2c', 'Upgrade')],
    ['anything', () => upgrade('anything', 'Upgrade', `Content-Length: ${smuggled.length}\r\n`)],
  ])('an upgrade to %s opens no way past the check', async (_, bytes) => {
    await raw(proxy.url, bytes() + smuggled, (socket) => socket.setTimeout(200, () => socket.destroy()));
    expect(t.dashboard.seen.filter(({ url }) => url === '/smuggled')).toEqual([]);
    expect(t.dashboard.tunnels).toEqual([]);
  });

  it.each([
    ['an upgrade that fails', (): string => upgrade('websocket', 'Upgrade').replace('Version: 13', 'Version: 99')],
    ['two lengths', () => post('Content-Length: 0\r\nContent-Length: 60\r\n')],
    ['a length and chunks', () => post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
    ['chunks by another name', () => post('Content-Length: 5\r\nTransfer_Encoding: chunked\r\n', '0\r\n\r\n')],
    ['chunks with a blank', () => post('Content-Length: 5\r\nTransfer-Encoding : chunked\r\n', '0\r\n\r\n')],
    ['chunks by another case', () => post('Transfer-Encoding: Chunked, identity\r\n', '0\r\n\r\n')],
  ])('a request that hides behind %s is checked, too', async (_, bytes) => {
    await raw(proxy.url, bytes() + smuggled, (socket) => socket.setTimeout(200, () => socket.destroy()));
    expect(t.dashboard.seen.filter(({ url }) => url === '/smuggled')).toEqual([]);
    expect(t.dashboard.seen.filter((seen) => statements(seen).length !== honest.length)).toEqual([]);
  });

  const post = (headers: string, body = '') =>
    `POST / HTTP/1.1\r\nHost: ${new URL(proxy.url).host}\r\nAuthorization: Bearer ${device.accessToken}\r\n${headers}\r\n${body}`;

  it.each([
    // OAuth2 Proxy, CVE-2026-40575 (GHSA-7x63-xv5r-3p2x) and issue 3506; Traefik, CVE-2026-35051 (GHSA-6384-m2mw-rf54) and
    // CVE-2026-39858 (GHSA-5m6w-wvh7-57vm): rules were applied to what the client said about its request.
    ['X-Forwarded-Uri', '/health/live'],
    ['X-Forwarded-Prefix', '/health'],
    ['X-Forwarded-Method', 'OPTIONS'],
    ['X-Forwarded-Host', 'localhost:3000'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-For', '127.0.0.1'],
    ['X_Forwarded_Proto', 'https'],
    ['X_Forwarded_Uri', '/health/live'],
    ['X-Original-Url', '/health/live'],
    ['X-Original-Uri', '/health/live'],
    ['X-Original-Method', 'OPTIONS'],
    ['X-Rewrite-Url', '/health/live'],
    ['X-Http-Method-Override', 'OPTIONS'],
    ['X-Envoy-Original-Path', '/health/live'],
    ['X-Accel-Redirect', '/'],
    ['X-Auth-Request-Redirect', '/health/live'],
    ['Forwarded', 'for=127.0.0.1;proto=https;host=localhost'],
    // OAuth2 Proxy, CVE-2026-34457 (GHSA-5hvv-m4w4-gf6v): health checks were let in by their name.
    ['User-Agent', 'GoogleHC/1.0'],
    ['User-Agent', 'kube-probe/1.30'],
    ['User-Agent', 'ELB-HealthChecker/2.0'],
    ['Authorization', 'Basic bGF0Y2hrZXk6bGF0Y2hrZXk='],
    ['Proxy-Authorization', 'Bearer anything'],
  ])('nobody is let in for saying %s: %s', async (header, value) => {
    const { status } = await send(proxy.url, '/', { headers: [[header, value]] });
    expect(status).toBe(401);
    expect(t.dashboard.seen).toEqual([]);
  });

  it('the way back from the page of Latchkey leads to what was asked, whatever a client says', async () => {
    const said = ['Host', 'Proto', 'Uri', 'Prefix', 'Port', 'Server', 'Method'].flatMap((part) => [
      [`X-Forwarded-${part}`, 'evil.example'] as const,
      [`X_Forwarded_${part}`, 'evil.example'] as const,
    ]);
    const { status, headers } = await send(proxy.url, '/reports', {
      headers: [
        ...NAVIGATION,
        ...said,
        ['forwarded', 'host=evil.example'],
        ['X-Original-Url', `${proxy.url}/elsewhere`],
        ['X-Original-Method', 'POST'],
      ],
    });
    expect(status).toBe(302);
    expect(new URL(String(headers['location'])).searchParams.get('return_to')).toBe(`${proxy.url}/reports`);
  });

  it.each([
    // OAuth2 Proxy, CVE-2026-41059 (GHSA-pxq7-h93f-9jrg) and CVE-2025-54576 (GHSA-7rh7-c77v-6434); Traefik, CVE-2026-40912
    // (GHSA-6jwx-7vp4-9847); Caddy, CVE-2026-27587: the check and the application read the path differently.
    ['/reports#/health/live'],
    ['/reports?/health/live'],
    ['/health/live'],
    ['/health/live/../../reports'],
    ['/health%2flive/..%2f..%2freports'],
    ['/.%2e/reports'],
    ['/./reports'],
    ['//reports'],
    ['/%72eports'],
    ['/REPORTS'],
    ['/reports;/health/live'],
    ['/reports%00.css'],
    ['/reports/.well-known/jwks.json'],
    ['/favicon.ico'],
    ['/verify'],
    ['/latchkey/verify'],
    ['http://localhost:3000/health/live'],
    ['*'],
  ])('no path leads past the check: %s', async (path) => {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'TRACE', 'PROPFIND', 'QUERY', 'get']) {
      const answer = await raw(
        proxy.url,
        `${method} ${path} HTTP/1.1\r\nHost: ${new URL(proxy.url).host}\r\nConnection: close\r\n\r\n`,
      );
      // Of its own Caddy answers 200, and nothing, for what is not of this site.
      expect(answer).toMatch(/^HTTP\/1.1 (4\d\d |200 OK\r\n[^{]*$)/);
    }
    expect(t.dashboard.seen).toEqual([]);
  });

  // Authelia, CVE-2026-48794; Caddy, CVE-2026-27588: a host in capitals was another one to the rules.
  it.each([['LOCALHOST'], ['Dashboard.Example.com'], ['localhost:3000'], ['127.0.0.1'], [''], ['a, b']])(
    'no host leads past the check: %s',
    async (host) => {
      await raw(proxy.url, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      await raw(proxy.url, `GET / HTTP/1.0\r\n\r\n`);
      expect(t.dashboard.seen).toEqual([]);
    },
  );

  // authentik, CVE-2026-25748 (GHSA-fj56-5763-j8pp): a cookie that could not be read was taken for a session.
  it('no visit cookie that is not one lets anyone in', async () => {
    const { visit } = await signInAtThePage(t);
    const [, good = ''] = /=(.*)$/.exec(visit[0]![1]) ?? [];
    const broken = [
      '',
      'v1',
      'v1.',
      'v1..',
      'null',
      'true',
      '""',
      '{}',
      '[]',
      '%',
      '%00',
      '\u00ff',
      '=',
      '==',
      'v1.%2e.x',
    ];
    const forged = [
      `${good}x`,
      good.slice(0, -2),
      good.slice(1),
      good.toUpperCase(),
      good.replace(/\.[^.]*$/, ''),
      good.replace(/[\w-]+$/, ''),
      good.split('.').toReversed().join('.'),
      Buffer.from(good).toString('base64url'),
      `"${good}`,
      'A'.repeat(3_000),
      device.accessToken,
      device.refreshToken,
    ];
    for (const value of [...broken, ...forged]) {
      for (const cookie of [
        `visit=${value}`,
        `visit=${value}; visit=${value}`,
        `__Host-visit=${good}`,
        `VISIT=${good}`,
      ]) {
        const { status } = await send(proxy.url, '/', { headers: [['cookie', cookie]] });
        expect([status, cookie]).toEqual([401, cookie]);
      }
    }
    expect(t.dashboard.seen).toEqual([]);
    expect((await send(proxy.url, '/', { headers: visit })).status).toBe(200);
  });

  // Istio, CVE-2026-26308: of several values of a header only the first was looked at.
  it('a request with two proofs is refused', async () => {
    const other = await t.latchkey.api.signUp();
    const { status } = await send(proxy.url, '/', {
      headers: [...bearer(device.accessToken), ...bearer(other.accessToken)],
    });
    expect([400, 401]).toContain(status);
    expect(t.dashboard.seen).toEqual([]);
  });

  // Traefik, CVE-2026-26998: the answer to the check was read into memory, however large it was.
  it('the answer to the check is small, whatever was sent', async () => {
    for (const headers of [
      [],
      bearer('x'.repeat(6_000)),
      [['cookie', `visit=${'x'.repeat(6_000)}`]],
    ] as HeaderLines[]) {
      const { status, text } = await send(proxy.url, `/${'y'.repeat(1_000)}`, { headers });
      expect([status, text.length < 1_000]).toEqual([401, true]);
    }
  });
});

// ingress-nginx, CVE-2026-24513: a page of one's own for errors became the answer to the check, with its status.
it('behind nginx a page for errors that is set for everything does not become the answer to the check', async () => {
  const proxy = await t.start('nginx', (configuration) =>
    [
      'proxy_intercept_errors on; error_page 401 403 503 =200 /sorry;',
      configuration.replace('  location / {', '  location = /sorry { return 200 "Sorry."; }\n\n  location / {'),
    ].join('\n'),
  );
  t.dashboard.seen.length = 0;
  expect((await send(proxy.url, '/')).status).toBe(401);
  expect(t.dashboard.seen).toEqual([]);
});

it('behind nginx without the module, a client cannot say who it is by any name that Latchkey uses', async () => {
  const proxy = await t.start('nginx', (configuration) => configuration.replace(/^.*more_clear_input_headers.*$/m, ''));
  const { accessToken } = await t.latchkey.api.signUp();
  const headersOf = async (headers: HeaderLines) =>
    statements((await send(proxy.url, '/', { headers: [...bearer(accessToken), ...headers] })).body);
  const names = ['User', 'Email', 'Session', 'Role', 'Auth-Time', 'Acr', 'Assertion'];
  expect(await headersOf(names.map((name) => [`X-Latchkey-${name}`, 'admin'] as const))).toEqual(await headersOf([]));
});
