import type { AuthResult } from '../support/api.js';
import { addClient, basic, postForm, signUpStaff, type TestClient } from '../support/clients.js';
import { respelt } from '../support/forge.js';
import { useInstances } from '../support/instances.js';
import { rotateKeys } from '../support/keys.js';
import { SsfReceiver } from '../support/ssf.js';

// By what receivers are known: the -error-…-with-invalid-token, -token-in-uri-query and poll-endpoint-authorization modules of the
// OpenID conformance suite, in our words.
const t = useInstances(2);
let staff: AuthResult;
let client: TestClient;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'signals');
});

async function tokenOf(of: TestClient): Promise<string> {
  const fields = { grant_type: 'client_credentials', client_id: of.id };
  const { status, body } = await postForm(t.b, '/oauth/token', fields, { authorization: basic(of) });
  expect(status).toBe(200);
  return body.access_token;
}

/** Each route for receivers. */
async function routes(): Promise<(readonly [method: string, path: string, body?: unknown])[]> {
  const { stream_id } = await new SsfReceiver(t.a, client).create();
  return [
    ['POST', '/ssf/streams', {}],
    ['GET', '/ssf/streams'],
    ['GET', `/ssf/streams?stream_id=${stream_id}`],
    ['PATCH', '/ssf/streams', { stream_id }],
    ['PUT', '/ssf/streams', { stream_id }],
    ['GET', `/ssf/status?stream_id=${stream_id}`],
    ['POST', '/ssf/status', { stream_id, status: 'enabled' }],
    ['POST', '/ssf/verify', { stream_id }],
    ['POST', `/ssf/streams/${stream_id}/poll`, { returnImmediately: true }],
    ['DELETE', `/ssf/streams?stream_id=${stream_id}`],
  ];
}

it('Without credentials each route is 401, and says that a token or a secret would do', async () => {
  for (const [method, path, body] of await routes()) {
    const { status, headers } = await t.a.call(method, path, { body });
    expect([path, status, headers.get('www-authenticate')]).toEqual([
      path,
      401,
      'Bearer realm="latchkey", Basic realm="latchkey", charset="UTF-8"',
    ]);
  }
});

it('A wrong token is 401 at each route, and says so as RFC 6750 has it', async () => {
  const { accessToken } = await t.a.signUp();
  for (const [method, path, body] of await routes()) {
    for (const bearer of ['x', 'INVALID/token==', accessToken]) {
      const answer = await t.a.call(method, path, { body, bearer });
      expect([path, answer.status, answer.body.code]).toEqual([path, 401, 'invalid_token']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="latchkey", error="invalid_token"/);
    }
  }
});

it('A token does at each route, and in no other place than the header', async () => {
  const token = await tokenOf(client);
  for (const [method, path, body] of await routes()) {
    const elsewhere = `${path}${path.includes('?') ? '&' : '?'}access_token=${token}`;
    expect([path, (await t.a.call(method, elsewhere, { body })).status]).toEqual([path, 401]);
    const { status } = await t.a.call(method, path, { body, bearer: token });
    expect([path, [200, 201, 204].includes(status)]).toEqual([path, true]);
  }
});

it('A client that may do other things may not do this', async () => {
  const stranger = await addClient(t.a, staff, 'verify');
  const { status, body } = await new SsfReceiver(t.a, stranger).call('GET', 'streams');
  expect([status, body.code]).toEqual([403, 'insufficient_scope']);
  const refused = await postForm(
    t.a,
    '/oauth/token',
    { grant_type: 'client_credentials' },
    { authorization: basic(stranger) },
  );
  expect([refused.status, refused.body.error]).toEqual([403, 'insufficient_scope']);
});

it('A receiver gets a token for its secret, by which it is known until it ends', async () => {
  const short = await addClient(t.a, staff, 'signals', 'verify');
  const { status, body, headers } = await postForm(
    t.b,
    '/oauth/token',
    { grant_type: 'client_credentials' },
    { authorization: basic(short) },
  );
  expect([status, headers.get('cache-control')]).toEqual([200, expect.stringContaining('no-store')]);
  expect(body).toEqual({
    access_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: 600,
    scope: 'signals',
  });
  const list = (bearer: string) => t.a.call('GET', '/ssf/streams', { bearer });
  expect((await list(body.access_token)).status).toBe(200);
  // Of no person, and for nothing else.
  expect((await t.a.me(body.access_token)).status).toBe(401);
  expect((await t.a.call('POST', '/verify/batch', { bearer: body.access_token, body: { tokens: ['x'] } })).status).toBe(
    401,
  );
  const { accessToken } = await t.a.signUp();
  for (const wrong of [accessToken, `${body.access_token}x`, respelt(body.access_token), 'x']) {
    const refused = await list(wrong);
    expect([refused.status, refused.body.code]).toEqual([401, 'invalid_token']);
  }
  await t.a.call('DELETE', `/admin/clients/${short.id}`, { bearer: staff.accessToken });
  expect((await list(body.access_token)).status).toBe(401);
});

it.each([
  ['another grant', { grant_type: 'authorization_code' }, 'unsupported_grant_type'],
  ['another scope', { grant_type: 'client_credentials', scope: 'verify' }, 'invalid_scope'],
  ['no grant', {}, 'invalid_request'],
])('There is no token for %s', async (_, form, error) => {
  const { status, body } = await postForm(t.a, '/oauth/token', form as Record<string, string>, {
    authorization: basic(client),
  });
  expect([status, body.error]).toEqual([400, error]);
});

// Last, since it ends what staff signed in with too.
it('A token is refused once its key is revoked, and another one does', async () => {
  const token = await tokenOf(client);
  expect((await t.a.call('GET', '/ssf/streams', { bearer: token })).status).toBe(200);
  expect((await rotateKeys(t.database.url, { args: ['--leaked'] })).code).toBe(0);
  for (const api of [t.a, t.b]) expect((await api.call('GET', '/ssf/streams', { bearer: token })).status).toBe(401);
  expect((await t.a.call('GET', '/ssf/streams', { bearer: await tokenOf(client) })).status).toBe(200);
});
