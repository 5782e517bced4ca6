import { someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { expectProblem } from '../support/problem.js';
import { raw as rawTo } from '../support/raw.js';

const t = useApp();
const JSON_TYPE = { 'content-type': 'application/json' };

/** Bytes on a socket, and whatever comes back. */
const raw = (bytes: string) => rawTo(t.api.url, bytes);

const login = (body: string | Uint8Array<ArrayBuffer> | null, headers: Record<string, string> = JSON_TYPE) =>
  fetch(`${t.api.url}/auth/login`, { method: 'POST', headers, body }).then(async (response) => ({
    status: response.status,
    headers: response.headers,
    body: await response.json(),
  }));

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

it.each([
  ['is too deep', `{"email":${'['.repeat(20)}${']'.repeat(20)}}`],
  ['has too many members', `{"email":[${'{},'.repeat(300)}{}]}`],
])('Of JSON that %s the answer says that, and not that it is no JSON', async (what, body) => {
  expect((await login(body)).body).toMatchObject({ detail: `The JSON of the body ${what}.` });
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

it.each([undefined, {}, [], 5])('A login with the body %j is answered with each missing field, once', async (body) => {
  const answer = await t.api.call('POST', '/auth/login', { body });
  expectProblem(answer, 400, 'validation_failed');
  expect(answer.body.errors).toEqual([
    { field: 'email', message: 'is required' },
    { field: 'password', message: 'is required' },
  ]);
});

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

it('A QUERY without a media type is answered like any other method that its address does not have', async () => {
  for (const [path, status, code] of [
    ['/nowhere', 404, 'not_found'],
    ['/auth/login', 405, 'method_not_allowed'],
  ] as const) {
    const answer = await raw(`QUERY ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain(`"code":"${code}"`);
  }
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
  expect((await login(JSON.stringify({ ...someone(), email: `${'x'.repeat(15_000)}@example.com` }))).status).toBe(400);
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
