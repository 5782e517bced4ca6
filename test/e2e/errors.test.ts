import { someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { raw as rawTo } from '../support/raw.js';

const t = useApp();

/** Bytes on a socket, and whatever comes back. */
const raw = (bytes: string) => rawTo(t.api.url, bytes);

it('A running service answers 200 to its liveness and readiness checks', async () => {
  expect(await t.api.call('GET', '/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
  expect(await t.api.call('GET', '/health/ready')).toMatchObject({ status: 200, body: { status: 'ok' } });
});

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

it.each(['PROPFIND', 'MKCOL', 'SEARCH', 'PURGE'])('A login with method %s is answered with 405', async (method) => {
  expectProblem(await t.api.call(method, '/auth/login'), 405, 'method_not_allowed');
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

it('A request without a host is refused with 400, and one with an unknown expectation is answered', async () => {
  const hostless = await raw('GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n');
  expect(hostless).toMatch(/^HTTP\/1\.1 400 [^]*"code":"bad_request"/);
  const expecting = await raw('GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: bogus\r\nConnection: close\r\n\r\n');
  expect(expecting).toMatch(/^HTTP\/1\.1 200 [^]*no-store/i);
});

it('A request with several faults is refused for the first of address, method, site, caller and body', async () => {
  const evil = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example', 'content-type': 'text/plain' };
  expect((await t.api.call('POST', '/nowhere', { headers: evil, body: 'x' })).status).toBe(404);
  expect((await t.api.call('PUT', '/auth/me', { headers: evil, body: 'x' })).status).toBe(405);
  expect((await t.api.call('POST', '/auth/logout-others', { headers: evil, body: 'x' })).status).toBe(403);
  const plain = { 'content-type': 'text/plain' };
  expect((await t.api.call('POST', '/auth/logout-others', { headers: plain, body: 'x' })).status).toBe(401);
  expect(
    (
      await t.api.call('PATCH', '/sessions/x', {
        headers: { 'content-type': 'application/json' },
        body: 'x'.repeat(20_000),
      })
    ).status,
  ).toBe(401);
  const { accessToken } = await t.api.signUp();
  expect(
    (await t.api.call('POST', '/auth/logout-others', { bearer: accessToken, headers: plain, body: 'x' })).status,
  ).toBe(415);
});

it.each(['garbage', ';;;', '/', ' '])('The content type "%s" is refused after all other faults', async (type) => {
  const call = (method: string, path: string, headers = {}) =>
    t.api.call(method, path, { body: '{}', headers: { 'content-type': type, ...headers } });
  expectProblem(await call('POST', '/nowhere'), 404, 'not_found');
  expectProblem(await call('PUT', '/auth/login'), 405, 'method_not_allowed');
  expectProblem(await call('POST', '/auth/login', { 'sec-fetch-site': 'cross-site' }), 403, 'cross_site_request');
  expectProblem(await call('POST', '/auth/logout-others'), 401, 'invalid_token');
  expectProblem(await call('POST', '/auth/login'), 415, 'unsupported_media_type');
});

it('A session id of 2000 characters is answered like any unknown id', async () => {
  const { accessToken } = await t.api.signUp();
  expectProblem(await t.api.endSession(accessToken, 'a'.repeat(2000)), 404, 'session_not_found');
  expectProblem(await t.api.call('DELETE', `/sessions/${'a'.repeat(2000)}`), 401, 'invalid_token');
});
