import { generateKey } from '../../src/keys/signing-key.js';
import type { AuthResult } from '../support/api.js';
import { useApp } from '../support/app.js';
import { addClient, basic, signUpStaff, type TestClient } from '../support/clients.js';
import { resign } from '../support/forge.js';
import { Introspector } from '../support/introspection.js';
import { expectProblem } from '../support/problem.js';

const t = useApp();
let staff: AuthResult;
let client: TestClient;
let service: Introspector;

beforeAll(async () => {
  staff = await signUpStaff(t.api, t.database);
  client = await addClient(t.api, staff, 'verify', 'introspect');
  service = new Introspector(t.api, client);
});

it('A batch is answered in its order, each token as introspection answers it, and one may be there twice', async () => {
  const [ada, bob, eve] = [await t.api.signUp(), await t.api.signUp(), await t.api.signUp()];
  await t.api.logout(eve.refreshToken);
  const tokens = [
    bob.accessToken,
    'garbage',
    ada.accessToken,
    bob.accessToken,
    eve.accessToken,
    '',
    resign(ada, generateKey()),
    ada.accessToken,
  ];
  const { status, body } = await service.batch(tokens);
  expect(status).toBe(200);
  const [a, b] = [await service.ask(ada.accessToken), await service.ask(bob.accessToken)];
  const inactive = { active: false };
  expect(body).toEqual({ results: [b, inactive, a, b, inactive, inactive, inactive, a] });
});

it('A refresh token in a batch is not active, and is not spent', async () => {
  const { refreshToken } = await t.api.signUp();
  expect((await service.batch([refreshToken])).body).toEqual({ results: [{ active: false }] });
  expect((await t.api.refresh(refreshToken)).status).toBe(200);
});

it('A batch of 500 tokens is answered, and one of 501 is refused', async () => {
  const { accessToken } = await t.api.signUp();
  const { status, body } = await service.batch(Array(500).fill(accessToken));
  expect([status, body.results.length, body.results.every(({ active }: any) => active)]).toEqual([200, 500, true]);
  const refused = await service.batch(Array(501).fill(accessToken));
  expectProblem(refused, 400, 'validation_failed');
  expect(refused.body.errors).toEqual([{ field: 'tokens', message: 'must be at most 500' }]);
});

it.each<[string, unknown, number, string]>([
  ['no tokens', [], 400, 'validation_failed'],
  ['a token for a list', 'x', 400, 'malformed_body'],
  ['no list', { tokens: 'x' }, 400, 'validation_failed'],
  ['a number', { tokens: [1] }, 400, 'validation_failed'],
  ['null among them', { tokens: ['a', null] }, 400, 'validation_failed'],
  ['a list in the list', { tokens: [['a']] }, 400, 'validation_failed'],
  ['NUL in a token', { tokens: ['a', 'a\u0000'] }, 400, 'validation_failed'],
  ['another field', { tokens: ['a'], token: 'a' }, 400, 'validation_failed'],
  ['ten thousand of them', { tokens: Array(10_000).fill('') }, 400, 'malformed_body'],
  ['half a megabyte', { tokens: Array(500).fill('x'.repeat(1100)) }, 413, 'body_too_large'],
])('A batch with %s is refused', async (_, body, status, code) => {
  const text = typeof body === 'string' || Array.isArray(body) ? body : JSON.stringify(body);
  expectProblem(await service.batch(text), status, code);
});

it('A form for a batch is refused with 415', async () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  expectProblem(await service.batch('tokens=a', form), 415, 'unsupported_media_type');
});

it('A client that is wrong, or has not the scope, is refused before a body of any size is looked at', async () => {
  const other = await addClient(t.api, staff, 'introspect');
  for (const body of ['{', JSON.stringify({ tokens: Array(500).fill('x'.repeat(2000)) }), '']) {
    const wrong = await service.batch(body, { authorization: basic({ ...client, clientSecret: 'wrong' }) });
    expectProblem(wrong, 401, 'invalid_client');
    expect(wrong.headers.get('www-authenticate')).toMatch(/^Basic /);
    expectProblem(await new Introspector(t.api, other).batch(body), 403, 'insufficient_scope');
  }
});
