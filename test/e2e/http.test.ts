import { type Answer, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { raw as rawTo } from '../support/raw.js';

const t = useApp({ CORS_ORIGINS: 'https://app.example.com', PUBLIC_URL: 'https://latchkey.example.com' });
const JSON_TYPE = { 'content-type': 'application/json' };

function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.body?.code]).toEqual([status, code]);
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(Object.keys(answer.body).filter((key) => key !== 'errors')).toEqual([
    'type',
    'title',
    'status',
    'detail',
    'code',
    'requestId',
  ]);
  expect(answer.body.requestId).toBe(answer.headers.get('x-request-id'));
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(JSON.stringify(answer.body)).not.toMatch(/stack|FST_|node_modules|at Object|SELECT|typeorm|fastify|nest/i);
}

/** Bytes on a socket, and whatever comes back. */
const raw = (bytes: string) => rawTo(t.api.url, bytes);

const login = (body: string | Uint8Array<ArrayBuffer> | null, headers: Record<string, string> = JSON_TYPE) =>
  fetch(`${t.api.url}/auth/login`, { method: 'POST', headers, body }).then(async (response) => ({
    status: response.status,
    headers: response.headers,
    body: await response.json(),
  }));

describe('errors', () => {
  it('Unknown and malformed addresses are answered with problem documents', async () => {
    expectProblem(await t.api.call('GET', '/nowhere'), 404, 'not_found');
    expectProblem(await t.api.call('POST', '/auth/login/', { body: someone() }), 404, 'not_found');
    expectProblem(await t.api.call('GET', '/%zz'), 400, 'bad_request');
  });

  it.each([
    ['GET', '/auth/login', 'POST'],
    ['PUT', '/auth/me', 'GET, HEAD'],
    ['POST', '/sessions', 'GET, HEAD'],
    ['OPTIONS', '/auth/login', 'POST'],
    ['GET', '/sessions/5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61', 'DELETE, PATCH'],
    ['DELETE', '/health/live', 'GET, HEAD'],
  ])('%s %s is answered with 405 and the methods that are allowed', async (method, path, allow) => {
    const answer = await t.api.call(method, path);
    expectProblem(answer, 405, 'method_not_allowed');
    expect(answer.headers.get('allow')).toBe(allow);
  });

  it.each([
    ['no JSON', '{"email":'],
    ['NaN', '{"email":NaN}'],
    ['a byte order mark', '\ufeff{}'],
    ['prototype keys', '{"__proto__":{"role":"admin"}}'],
    ['constructor keys', '{"constructor":{"prototype":{"role":"admin"}}}'],
    ['deep arrays', `{"email":${'['.repeat(5000)}${']'.repeat(5000)}}`],
    ['deep objects', `${'{"email":'.repeat(1000)}1${'}'.repeat(1000)}`],
    ['a bare quote', '"'],
    ['hundreds of members', `{"email":[${'{},'.repeat(300)}{}]}`],
    ['hundreds of fields', JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`field${i}`, 0])))],
  ])('A body with %s is refused with 400 as malformed', async (_, body) => {
    expectProblem(await login(body), 400, 'malformed_body');
  });

  it.each(['{"constructor":{"toString":1}}', '{"email":{"constructor":1}}', '{"constructor":null}'])(
    'The body %s, which has a constructor key, fails validation with 400',
    async (body) => {
      expectProblem(await login(body), 400, 'validation_failed');
    },
  );

  it('A body that is not UTF-8 is refused with 400 as malformed', async () => {
    expectProblem(await login(new Uint8Array([0x22, 0xc0, 0xaf, 0x22])), 400, 'malformed_body');
    expectProblem(await login(new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])), 400, 'malformed_body');
    expectProblem(await login('{}', { 'content-type': 'application/json; charset=utf-16' }), 400, 'malformed_body');
  });

  it.each(['[]', '5', '"x"', 'null', 'true', '{}'])('The login body %s fails validation with 400', async (body) => {
    const answer = await login(body);
    expectProblem(answer, 400, 'validation_failed');
  });

  it.each([undefined, {}, [], 5])(
    'A login with the body %j is answered with each missing field, once',
    async (body) => {
      const answer = await t.api.call('POST', '/auth/login', { body });
      expectProblem(answer, 400, 'validation_failed');
      expect(answer.body.errors).toEqual([
        { field: 'email', message: 'is required' },
        { field: 'password', message: 'is required' },
      ]);
    },
  );

  it.each([
    ['no content type', {}],
    ['the content type of a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['the content type of plain text', { 'content-type': 'text/plain' }],
    ['a content type that only starts like JSON', { 'content-type': 'application/jsonx' }],
    ['a content encoding', { ...JSON_TYPE, 'content-encoding': 'gzip' }],
  ])('A body sent with %s is refused with 415', async (_, headers) => {
    const body = new TextEncoder().encode(JSON.stringify(someone()));
    expectProblem(await login(body, headers), 415, 'unsupported_media_type');
  });

  it('A body of more than 16 kB is refused with 413, whether its length is announced or not', async () => {
    const big = JSON.stringify({ email: 'x'.repeat(17_000) });
    expectProblem(await login(big), 413, 'body_too_large');
    const answer = await raw(
      `POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `4e20\r\n${'x'.repeat(20_000)}\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('body_too_large');
    expect((await login(JSON.stringify({ ...someone(), email: `${'x'.repeat(15_000)}@example.com` }))).status).toBe(
      400,
    );
  });

  it('Broken HTTP is answered with the fitting status and a problem document', async () => {
    for (const [bytes, status, code] of [
      ['NONSENSE\r\n\r\n', 400, 'bad_request'],
      [`GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
      [
        'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        400,
        'bad_request',
      ],
    ] as const) {
      const answer = await raw(bytes);
      expect(answer.startsWith(`HTTP/1.1 ${status} `)).toBe(true);
      expect(answer).toContain('application/problem+json');
      expect(answer).toContain(`"code":"${code}"`);
    }
    expect(await raw(`GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toContain(
      'uri_too_long',
    );
  });

  it('A request with several faults is refused for the first of address, method, site, caller and body', async () => {
    const evil = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example', 'content-type': 'text/plain' };
    expect((await t.api.call('POST', '/nowhere', { headers: evil, body: 'x' })).status).toBe(404);
    expect((await t.api.call('PUT', '/auth/me', { headers: evil, body: 'x' })).status).toBe(405);
    expect((await t.api.call('POST', '/auth/logout-others', { headers: evil, body: 'x' })).status).toBe(403);
    const plain = { 'content-type': 'text/plain' };
    expect((await t.api.call('POST', '/auth/logout-others', { headers: plain, body: 'x' })).status).toBe(401);
    expect((await t.api.call('PATCH', '/sessions/x', { headers: JSON_TYPE, body: 'x'.repeat(20_000) })).status).toBe(
      401,
    );
    const { accessToken } = await t.api.signUp();
    expect(
      (await t.api.call('POST', '/auth/logout-others', { bearer: accessToken, headers: plain, body: 'x' })).status,
    ).toBe(415);
  });
});

describe('fields', () => {
  const bad: [string, Record<string, unknown>][] = [
    ['an unknown field', { admin: true }],
    ['a role', { role: 'admin' }],
    ['an e-mail that is no string', { email: ['a@example.com'] }],
    ['an e-mail object', { email: { $gt: '' } }],
    ['an e-mail without @', { email: 'example.com' }],
    ['an e-mail with two @', { email: 'a@b@example.com' }],
    ['an e-mail with a space', { email: ' a@example.com' }],
    ['an e-mail with a line break', { email: 'a@example.com\n' }],
    ['an e-mail with NUL', { email: 'a\u0000@example.com' }],
    ['an e-mail beyond ASCII', { email: 'ma\u0131l@example.com' }],
    ['an e-mail with a look-alike character', { email: '\u212Aate@example.com' }],
    ['a quoted local part', { email: '"ada"@example.com' }],
    ['a local part of 65 characters', { email: `${'a'.repeat(65)}@example.com` }],
    [
      'an e-mail of 255 characters',
      { email: `a@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(66)}.com` },
    ],
    ['a password that is a number', { password: 12345678 }],
    ['a password with NUL', { password: 'correct\u0000horse' }],
    ['a password with a lone surrogate', { password: 'correct horse \ud800' }],
    ['no password', { password: '' }],
    ['a name that is null', { name: null }],
    ['a name with a line break', { name: 'Ada\nLovelace' }],
    ['a name that reverses the direction of writing', { name: 'Ada \u202e' }],
    ['a name of 101 characters', { name: 'x'.repeat(101) }],
    ['a device name of 65 characters', { deviceName: 'x'.repeat(65) }],
    ['an unknown delivery', { tokenDelivery: 'pigeon' }],
    ['a delivery that is null', { tokenDelivery: null }],
  ];

  it.each(bad)('A registration with %s is refused and changes nothing', async (_, changes) => {
    const count = () => t.database.query('SELECT count(*) FROM users');
    const before = await count();
    const answer = await t.api.register({ ...someone(), ...changes });
    expectProblem(answer, 400, 'validation_failed');
    expect((answer.body as any).errors).toEqual([{ field: Object.keys(changes)[0], message: expect.any(String) }]);
    expect(await count()).toEqual(before);
  });

  it.each<[string, unknown, string]>([
    ['email', 'ada', 'must be an e-mail address'],
    ['email', '', 'must be an e-mail address'],
    ['email', null, 'must be an e-mail address'],
    [
      'email',
      'ädä@example.com',
      'must be an e-mail address in ASCII: without accents, and without letters of other scripts',
    ],
    ['password', '', 'must not be empty'],
    ['password', 5, 'must be a string'],
    ['password', 'tab\t', 'must not contain control characters'],
    ['password', 'nul\u0000', 'must not contain control characters'],
    ['password', 'p'.repeat(129), 'must not have more than 128 characters'],
    ['password', 'short', 'must have at least 8 characters'],
    ['password', 'password123', 'is among the most common passwords; attackers try those first'],
    ['name', 'x'.repeat(101), 'must not have more than 100 characters'],
    ['name', '', 'must contain a visible character, and no control or text direction characters'],
    ['deviceName', 'x'.repeat(65), 'must not have more than 64 characters'],
    ['tokenDelivery', 'pigeon', 'must be one of the following values: cookie, body'],
    ['role', 'admin', 'is not expected here'],
  ])('A registration whose %s is %j is refused: it %s', async (field, value, message) => {
    const { body } = await t.api.register({ ...someone(), [field]: value });
    expect((body as any).errors).toEqual([{ field, message }]);
  });

  it.each([
    ['limit=0', 'limit', 'must be a whole number from 1 to 100'],
    ['limit=x', 'limit', 'must be a whole number from 1 to 100'],
    ['limit=1&limit=2', 'limit', 'must be a whole number from 1 to 100'],
    ['cursor=x', 'cursor', 'must be the nextCursor of the page before'],
    ['cursor=x&cursor=y', 'cursor', 'must be a string'],
    ['page=2', 'page', 'is not expected here'],
  ])('A list that is asked for with ?%s is refused for its %s: %s', async (query, field, message) => {
    const { accessToken } = await t.api.signUp();
    const answer = await t.api.sessions(accessToken, `?${query}`);
    expectProblem(answer, 400, 'validation_failed');
    expect((answer.body as any).errors).toEqual([{ field, message }]);
  });

  it('Names of users and devices may be any other text and are returned unchanged', async () => {
    const { status, body } = await t.api.register({
      ...someone(),
      name: "Zoë O'Brien-Łukasz 王 👩‍👩‍👧",
      deviceName: '<b>"x"</b>; DROP TABLE',
    });
    expect(status).toBe(201);
    expect(body.user.name).toBe("Zoë O'Brien-Łukasz 王 👩‍👩‍👧");
    expect(body.session.device.name).toBe('<b>"x"</b>; DROP TABLE');
  });
});

describe('headers', () => {
  it('Answers and errors alike have strict security headers and do not name the server software', async () => {
    for (const answer of [
      await t.api.call('GET', '/health/live'),
      await t.api.call('GET', '/nowhere'),
      await t.api.call('GET', '/%zz'),
    ]) {
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'strict-transport-security': 'max-age=63072000; includeSubDomains',
        'x-content-type-options': 'nosniff',
      });
      expect(answer.headers.get('content-type')).toMatch(/charset=utf-8/);
      expect(answer.headers.get('x-powered-by')).toBeNull();
      expect(answer.headers.get('server')).toBeNull();
    }
  });

  it('A well-formed request id is kept, and a malformed one is replaced', async () => {
    const ask = (id: string) => t.api.call('GET', '/health/live', { headers: { 'x-request-id': id } });
    expect((await ask('my-id_1.2')).headers.get('x-request-id')).toBe('my-id_1.2');
    for (const id of ['x'.repeat(65), 'with space', '<script>', 'ümlaut']) {
      expect((await ask(id)).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('The user agent of a session is recorded up to 512 characters', async () => {
    const { body } = await t.api.register(someone(), { headers: { 'user-agent': 'x'.repeat(5000) } });
    expect(body.session.userAgent).toBe('x'.repeat(512));
  });

  it('Headers with forwarded addresses do not change the address that a session records', async () => {
    const headers = {
      'x-forwarded-for': '203.0.113.9',
      forwarded: 'for=203.0.113.9',
      'x-real-ip': '203.0.113.9',
      'cf-connecting-ip': '203.0.113.9',
    };
    expect((await t.api.register(someone(), { headers })).body.session.ip).toBe('127.0.0.1');
  });
});

describe('a request from a browser', () => {
  const from = (headers: Record<string, string>) =>
    t.api.register(someone(), { headers: { ...JSON_TYPE, ...headers } });
  const host = () => new URL(t.api.url).host;

  it.each<[string, () => Record<string, string>]>([
    ['the same origin', () => ({ 'sec-fetch-site': 'same-origin', origin: 'https://anything.example' })],
    ['the address bar', () => ({ 'sec-fetch-site': 'none' })],
    ['another site that is allowed', () => ({ 'sec-fetch-site': 'cross-site', origin: 'https://app.example.com' })],
    ['a sister site that is allowed', () => ({ 'sec-fetch-site': 'same-site', origin: 'https://app.example.com' })],
    ['an old browser on this host', () => ({ origin: `http://${host()}` })],
    ['an old browser on this host over TLS', () => ({ origin: `https://${host()}` })],
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
});

describe('health', () => {
  it('A running service answers 200 to its liveness and readiness checks', async () => {
    expect(await t.api.call('GET', '/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await t.api.call('GET', '/health/ready')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });
});

describe('the pages of Swagger UI', () => {
  it.each(['/docs', '/docs/', '/docs-json', '/docs-yaml', '/docs/swagger-ui-init.js', '/docs/nowhere.js'])(
    'The answer to %s is not stored by caches and declares UTF-8',
    async (path) => {
      const { headers } = await t.api.call('GET', path);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('content-type')).toMatch(/; charset=utf-8$/);
    },
  );

  it('The documentation page may run its own scripts alone, and an API answer may run none', async () => {
    const page = await t.api.call('GET', '/docs');
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';/);
    const json = await t.api.call('GET', '/docs-json');
    expect(json.headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
  });

  it('Static files of the documentation page may be cached', async () => {
    expect((await t.api.call('GET', '/docs/swagger-ui.css')).headers.get('cache-control')).toMatch(/^public/);
  });
});

describe('what came out of attacks', () => {
  it.each(['a@\ud800.com', 'x@bücher.de', 'X@BÜCHER.de', 'a@exa\u202emple.com', 'a@x\u00ad.com', 'ａ@example.com'])(
    'The e-mail address %j, which is not ASCII, is refused at login and registration',
    async (email) => {
      for (const route of ['login', 'register']) {
        const answer = await t.api.call('POST', `/auth/${route}`, { body: { ...someone(), email } });
        expectProblem(answer, 400, 'validation_failed');
        expect(answer.body.errors[0].field).toBe('email');
      }
    },
  );

  it.each(['constructor', 'toString', 'hasOwnProperty', 'valueOf'])('A field named %s is refused', async (name) => {
    const answer: Answer = await login(JSON.stringify({ ...someone(), [name]: 1 }));
    expectProblem(answer, 400, 'validation_failed');
    expect(answer.body.errors).toEqual([{ field: name, message: 'is not expected here' }]);
    const { accessToken } = await t.api.signUp();
    expectProblem(await t.api.sessions(accessToken, `?${name}=1`), 400, 'validation_failed');
  });

  it.each(['2020-W01-1', '2020', '2020-01-01T00:00:00,5Z', '20200101', '2020-001', '2020-01-01T00:00:00.000Z '])(
    'A cursor with the time %s, which the service never writes, is refused',
    async (time) => {
      const { accessToken } = await t.api.signUp();
      const cursor = Buffer.from(`${time} ffffffff-ffff-ffff-ffff-ffffffffffff`).toString('base64url');
      expectProblem(await t.api.sessions(accessToken, `?cursor=${cursor}`), 400, 'validation_failed');
    },
  );

  it.each(['garbage', ';;;', '/', ' '])('The content type "%s" is refused after all other faults', async (type) => {
    const call = (method: string, path: string, headers = {}) =>
      t.api.call(method, path, { body: '{}', headers: { 'content-type': type, ...headers } });
    expectProblem(await call('POST', '/nowhere'), 404, 'not_found');
    expectProblem(await call('PUT', '/auth/login'), 405, 'method_not_allowed');
    expectProblem(await call('POST', '/auth/login', { 'sec-fetch-site': 'cross-site' }), 403, 'cross_site_request');
    expectProblem(await call('POST', '/auth/logout-others'), 401, 'invalid_token');
    expectProblem(await call('POST', '/auth/login'), 415, 'unsupported_media_type');
  });

  it.each(['/auth/logout-others', '/nowhere', '/auth/me', '/auth/login'])(
    'A refused request to %s with an oversized body closes its connection',
    async (path) => {
      const chunk = 'x'.repeat(1_000_000);
      const answer = await raw(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
          `${chunk.length.toString(16)}\r\n${chunk}\r\n0\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 (401|404|405|413) /);
      expect(answer.toLowerCase()).toContain('connection: close');
    },
  );

  it('A request without a host is refused with 400, and one with an unknown expectation is answered', async () => {
    const hostless = await raw('GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n');
    expect(hostless).toMatch(/^HTTP\/1\.1 400 [^]*"code":"bad_request"/);
    const expecting = await raw('GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: bogus\r\nConnection: close\r\n\r\n');
    expect(expecting).toMatch(/^HTTP\/1\.1 200 [^]*no-store/i);
  });

  it.each(['PROPFIND', 'MKCOL', 'SEARCH', 'PURGE'])('A login with method %s is answered with 405', async (method) => {
    expectProblem(await t.api.call(method, '/auth/login'), 405, 'method_not_allowed');
  });

  it('A session id of 2000 characters is answered like any unknown id', async () => {
    const { accessToken } = await t.api.signUp();
    expectProblem(await t.api.endSession(accessToken, 'a'.repeat(2000)), 404, 'session_not_found');
    expectProblem(await t.api.call('DELETE', `/sessions/${'a'.repeat(2000)}`), 401, 'invalid_token');
  });

  it.each([
    ['ex.com:443', 'https://ex.com', 401],
    ['ex.com:80', 'http://ex.com', 401],
    ['[::1]:80', 'http://[::1]', 401],
    ['ex.com:8443', 'https://ex.com', 403],
    ['a.'.repeat(126), `http://${'a.'.repeat(126)}`, 401],
    ['a.'.repeat(200), `http://${'a.'.repeat(200)}`, 403],
  ])('The site check compares host %s with origin %s and ignores a default port', async (host, origin, status) => {
    const body = JSON.stringify(someone());
    const answer = await raw(
      `POST /auth/login HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it('An access token with something after it is refused', async () => {
    const { accessToken } = await t.api.signUp();
    expectProblem(await t.api.me(`${accessToken} junk`), 401, 'invalid_token');
  });
});
