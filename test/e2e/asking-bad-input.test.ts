import { randomUUID } from 'node:crypto';
import { generateKey } from '../../src/keys/signing-key.js';
import type { AuthResult } from '../support/api.js';
import { addClient, basic, signUpStaff, type TestClient } from '../support/clients.js';
import { forgeRefreshToken, partsOf, resign, signingKeyOf } from '../support/forge.js';
import { useInstances } from '../support/instances.js';
import { expire, expireIdle } from '../support/time.js';

// What others may send by mistake or on purpose, to every route that says something about a token, at two instances.
const t = useInstances(2, { env: { VISIT_COOKIE: 'on' } });
let staff: AuthResult;
let client: TestClient;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'introspect', 'verify', 'revoke');
});

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** An answer with every byte that could say something, but those of the time. */
interface Bytes {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly text: string;
}

async function send(url: string, { method = 'POST', path, headers = {}, body }: Sent): Promise<Bytes> {
  const response = await fetch(url + path, {
    method,
    headers: { 'x-request-id': 'same', ...headers },
    ...(body !== undefined && { body }),
  });
  const seen = [...response.headers].filter(([name]) => name !== 'date');
  return { status: response.status, headers: seen, text: await response.text() };
}

/** The answer of both instances, which must be the same. */
async function sendToBoth(sent: Sent): Promise<Bytes> {
  const [first, second] = await Promise.all([t.a, t.b].map(({ url }) => send(url, sent)));
  expect(second).toEqual(first);
  return first!;
}

const asClient = (credentials: { id: string; clientSecret: string } = client) => ({
  authorization: basic(credentials),
});

type Way = (token: string) => Sent;
const protectedRoute: Way = (token) => ({
  method: 'GET',
  path: '/auth/me',
  headers: { authorization: `Bearer ${token}` },
});
const verify: Way = (token) => ({ ...protectedRoute(token), path: '/verify' });
const visit: Way = (token) => ({ method: 'GET', path: '/verify', headers: { cookie: `visit=${token}` } });
const introspect: Way = (token) => ({
  path: '/oauth/introspect',
  headers: { 'content-type': FORM, ...asClient() },
  body: new URLSearchParams({ token }).toString(),
});
const batch: Way = (token) => ({
  path: '/verify/batch',
  headers: { 'content-type': JSON_TYPE, ...asClient() },
  body: JSON.stringify({ tokens: [token] }),
});
const revoke: Way = (token) => ({ ...introspect(token), path: '/oauth/revoke' });
const refresh: Way = (refreshToken) => ({
  path: '/auth/refresh',
  headers: { 'content-type': JSON_TYPE },
  body: JSON.stringify({ refreshToken }),
});

/** Tokens that never were good: no way says in what. */
const TOKENS: Record<string, () => Promise<string> | string> = {
  'a word': () => 'x',
  'ten thousand bytes': () => 'x'.repeat(10_000),
  'ten thousand bytes of claims, signed by another': async () =>
    resign(await t.a.signUp(), generateKey(), { filling: 'x'.repeat(7000) }),
  'a token of another issuer': async () =>
    resign(await t.a.signUp(), await signingKeyOf(t.database), { iss: 'https://issuer.example' }),
  'a token for another audience': async () =>
    resign(await t.a.signUp(), await signingKeyOf(t.database), { aud: 'another' }),
  'a token of another service with its own key': async () =>
    resign(await t.a.signUp(), generateKey(), { iss: 'https://issuer.example', aud: 'another' }),
  'a token signed with a secret': async () => resign(await t.a.signUp(), 'x'.repeat(40)),
  'a refresh token of nobody': async () =>
    forgeRefreshToken({ ...partsOf((await t.a.signUp()).refreshToken), nonce: 'x'.repeat(43) }),
  'the secret of the client': () => client.clientSecret,
};

/** Tokens whose session is over: their holder learns that, and no other service does. */
const ENDED: Record<string, () => Promise<string>> = {
  'the access token of a session that was logged out': async () => (await loggedOut()).accessToken,
  'the refresh token of a session that was logged out': async () => (await loggedOut()).refreshToken,
  'the access token of an idle session': async () => {
    const { accessToken, session } = await t.a.signUp();
    await expireIdle(t.database, session.id);
    return accessToken;
  },
  'the refresh token of an expired session': async () => {
    const { refreshToken, session } = await t.a.signUp();
    await expire(t.database, session.id);
    return refreshToken;
  },
};

async function loggedOut(): Promise<AuthResult> {
  const account = await t.a.signUp();
  await t.a.logout(account.refreshToken);
  return account;
}

describe.each<[string, Way, number, string | RegExp, Record<string, () => Promise<string> | string>]>([
  ['introspection', introspect, 200, '{"active":false}', { ...TOKENS, ...ENDED }],
  ['a batch', batch, 200, '{"results":[{"active":false}]}', { ...TOKENS, ...ENDED }],
  ['revocation', revoke, 200, '', { ...TOKENS, ...ENDED }],
  ['a protected route', protectedRoute, 401, /"code":"invalid_token"/, TOKENS],
  ['/verify by bearer', verify, 401, /"code":"invalid_token"/, TOKENS],
  ['/verify by visit', visit, 401, /"code":"invalid_token"/, TOKENS],
  ['a refresh', refresh, 401, /"code":"invalid_refresh_token"/, TOKENS],
])('%s', (_name, way, status, said, tokens) => {
  it('answers every token that is not good with the same bytes, at both instances', async () => {
    const reference = await sendToBoth(way('nothing that was ever issued'));
    expect(reference.status).toBe(status);
    expect(reference.text).toEqual(typeof said === 'string' ? said : expect.stringMatching(said));
    for (const [name, make] of Object.entries(tokens)) {
      expect([name, await sendToBoth(way(await make()))]).toEqual([name, reference]);
    }
  });
});

it('A refresh token where an access token is due is none, the reverse neither, and both are as good as before', async () => {
  const { accessToken, refreshToken } = await t.a.signUp();
  for (const way of [protectedRoute, verify, visit, batch]) {
    expect(await sendToBoth(way(refreshToken))).toEqual(await sendToBoth(way('nothing')));
  }
  for (const way of [refresh, visit]) {
    expect(await sendToBoth(way(accessToken))).toEqual(await sendToBoth(way('nothing')));
  }
  expect((await t.b.me(accessToken)).status).toBe(200);
  expect((await t.a.refresh(refreshToken)).status).toBe(200);
});

const GLOBAL: Sent = {
  path: '/oauth/global-token-revocation',
  headers: { 'content-type': JSON_TYPE },
  body: JSON.stringify({ sub_id: { format: 'opaque', id: randomUUID() } }),
};

describe.each<[string, () => Sent, string]>([
  ['introspection', () => introspect('x'), 'verify'],
  ['a batch', () => batch('x'), 'introspect'],
  ['revocation', () => revoke('x'), 'introspect'],
  ['global revocation', () => GLOBAL, 'verify'],
])('%s', (_name, sent, otherScope) => {
  const as = (authorization: string) => sendToBoth({ ...sent(), headers: { ...sent().headers, authorization } });
  const codeOf = ({ status, text }: Bytes) => [status, JSON.parse(text).error ?? JSON.parse(text).code];

  it('refuses every wrong client with the same bytes, and one without the scope, at both instances', async () => {
    const other = await addClient(t.a, staff, otherScope);
    const ended = await addClient(t.a, staff, 'introspect', 'verify', 'revoke');
    // It was good at both until it ended at one.
    expect((await as(basic(ended))).status).not.toBe(401);
    await t.a.call('DELETE', `/admin/clients/${ended.id}`, { bearer: staff.accessToken });
    const reference = await as(basic({ ...client, clientSecret: 'wrong' }));
    expect(codeOf(reference)).toEqual([401, 'invalid_client']);
    const wrong = {
      'an unknown client': basic({ id: randomUUID(), clientSecret: client.clientSecret }),
      'the secret of another': basic({ ...client, clientSecret: other.clientSecret }),
      'an ended client': basic(ended),
      'an access token': `Bearer ${staff.accessToken}`,
      'ten thousand bytes': basic({ ...client, clientSecret: 'x'.repeat(7000) }),
    };
    for (const [name, authorization] of Object.entries(wrong)) {
      expect([name, await as(authorization)]).toEqual([name, reference]);
    }
    expect(codeOf(await as(basic(other)))).toEqual([403, 'insufficient_scope']);
  });
});

it.each<[string, string, string | undefined, string]>([
  ['no form', FORM, undefined, 'token is required'],
  ['an empty form', FORM, '', 'token is required'],
  ['JSON for a form', JSON_TYPE, '{"token":"x"}', 'application/x-www-form-urlencoded'],
  ['two tokens', FORM, 'token=x&token=y', 'token'],
  ['a token and the same again', FORM, 'token=x&token=x', 'token'],
])(
  'With %s introspection and revocation answer alike, at both instances, and nothing ends',
  async (_name, type, body, said) => {
    const account = await t.a.signUp();
    const ofAccount = body?.replace('x', account.accessToken);
    for (const path of ['/oauth/introspect', '/oauth/revoke']) {
      const { status, text } = await sendToBoth({
        path,
        headers: { 'content-type': type, ...asClient() },
        ...(ofAccount !== undefined && { body: ofAccount }),
      });
      expect([status, JSON.parse(text).error]).toEqual([400, 'invalid_request']);
      expect(text).toContain(said);
    }
    expect((await t.b.me(account.accessToken)).status).toBe(200);
  },
);

it('A batch of 501 tokens is refused at both instances, and says nothing of any of them', async () => {
  const { accessToken } = await t.a.signUp();
  const body = (tokens: string[]) => ({ ...batch(''), body: JSON.stringify({ tokens }) });
  const good = await sendToBoth(body(Array(501).fill(accessToken)));
  expect([good.status, JSON.parse(good.text).code]).toEqual([400, 'validation_failed']);
  expect(await sendToBoth(body(Array(501).fill('x')))).toEqual(good);
});
