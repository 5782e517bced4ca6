import { randomUUID } from 'node:crypto';
import { type Answer, type Api, type AuthResult, cookieOf } from '../support/api.js';
import { addClient, basic, postForm, signUpStaff, type TestClient } from '../support/clients.js';
import { EventStream } from '../support/event-stream.js';
import { forgeRefreshToken, resign, signingKeyOf } from '../support/forge.js';
import { holdUsers } from '../support/held-rows.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';

const t = useMailedInstances(2, { env: { PUBLIC_URL: 'https://login.example.com' } });
let staff: AuthResult;
let client: TestClient;
beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'revoke');
});

const revoke = (fields: Parameters<typeof postForm>[2], headers?: Record<string, string>, api = t.a) =>
  postForm(api, '/oauth/revoke', fields, headers);
const asClient = (who = client) => ({ authorization: basic(who) });
const revokeAll = (sub_id: unknown, headers: Record<string, string> = asClient(), api: Api = t.a) =>
  api.call('POST', '/oauth/global-token-revocation', { headers, body: { sub_id } });
const isOpen = async ({ accessToken }: Pick<AuthResult, 'accessToken'>, api = t.b) =>
  (await api.me(accessToken)).status === 200;
const errorOf = ({ status, headers, body }: Answer) => [
  status,
  headers.get('content-type'),
  Object.keys(body),
  body.error,
];
const error = (status: number, code: string) => [
  status,
  'application/json; charset=utf-8',
  ['error', 'error_description'],
  code,
];
const trailOf = (userId: string) =>
  t.database.query<{ type: string; reason: string | null; actor_id: string | null; note: string | null }>(
    `SELECT type, reason, actor_id, note FROM audit_events
     WHERE user_id = $1 AND type LIKE '%revoked%' ORDER BY at, type DESC`,
    [userId],
  );

describe('POST /oauth/revoke', () => {
  it('The holder of a token ends its session with it: it is a logout, and the answer is empty', async () => {
    for (const kind of ['accessToken', 'refreshToken'] as const) {
      const account = await t.a.signUp();
      const other = await t.a.signIn(account.credentials);
      const { status, headers, body } = await revoke({ token: account[kind] });
      expect([status, body, headers.get('content-length'), headers.get('cache-control')]).toEqual([
        200,
        null,
        '0',
        'no-store',
      ]);
      expect(headers.getSetCookie()).toEqual([]);
      expect([await isOpen(account), await isOpen(other)]).toEqual([false, true]);
      expect((await t.b.refresh(account.refreshToken)).body.code).toBe('session_revoked');
      const { items } = (await t.b.call('GET', '/sessions/history', { bearer: other.accessToken })).body;
      expect(items).toMatchObject([{ id: account.session.id, reason: 'logout', endedBy: 'self' }]);
    }
  });

  it('With a service client the session was revoked by a service, and the audit trail says by which', async () => {
    for (const kind of ['accessToken', 'refreshToken'] as const) {
      const account = await t.a.signUp();
      const other = await t.a.signIn(account.credentials);
      expect((await revoke({ token: account[kind] }, asClient())).status).toBe(200);
      expect(await isOpen(account)).toBe(false);
      expect(await trailOf(account.user.id)).toEqual([
        { type: 'session_revoked', reason: 'revoked_by_service', actor_id: client.id, note: null },
      ]);
      const { items } = (await t.b.call('GET', '/sessions/history', { bearer: other.accessToken })).body;
      expect(items).toMatchObject([{ reason: 'revoked_by_service', endedBy: 'system' }]);
      // Which service it was, and where that is, is not theirs to know.
      const { events } = (await t.b.call('GET', '/auth/me/export', { bearer: other.accessToken })).body;
      const line = events.find(({ type }: { type: string }) => type === 'session_revoked');
      expect(line).toMatchObject({ reason: 'revoked_by_service', actorId: null, ip: null, userAgent: null });
    }
  });

  it('A client may authenticate in the form, and a type hint changes nothing, right or wrong', async () => {
    for (const token_type_hint of ['access_token', 'refresh_token', 'saml']) {
      const account = await t.a.signUp();
      const credentials = { client_id: client.id, client_secret: client.clientSecret };
      expect((await revoke({ token: account.refreshToken, token_type_hint, ...credentials })).status).toBe(200);
      expect(await isOpen(account)).toBe(false);
      expect((await trailOf(account.user.id))[0]!.reason).toBe('revoked_by_service');
    }
  });

  it('A public client that names itself is a holder like any other', async () => {
    const account = await t.a.signUp();
    expect((await revoke({ token: account.refreshToken, client_id: 'my-app' })).status).toBe(200);
    expect((await trailOf(account.user.id))[0]!.reason).toBe('logout');
  });

  it('Tokens that are not valid get the same answer as those that are, so that it may be sent again', async () => {
    const account = await t.a.signUp();
    const key = await signingKeyOf(t.database);
    const now = Math.floor(Date.now() / 1000);
    const sessionId = account.session.id;
    const invalid = {
      'no token at all': 'x',
      'a random one': 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA',
      'of another issuer': resign(account, key, { iss: 'https://other.example' }),
      'of another audience': resign(account, key, { aud: 'other' }),
      'expired a minute ago': resign(account, key, { exp: now - 60 }),
      'of a session that never was': resign(account, key, { sid: randomUUID() }),
      'of another user': resign(account, key, { sub: randomUUID() }),
      'with a nonce that is not its own': forgeRefreshToken({ sessionId, generation: 1, nonce: 'A'.repeat(43) }),
      'cut off': account.refreshToken.slice(0, -1),
      'ten thousand bytes': 'x'.repeat(10_000),
      'an id': sessionId,
    };
    for (const headers of [{}, asClient()]) {
      for (const [what, token] of Object.entries(invalid)) {
        const { status, body } = await revoke({ token }, headers);
        expect([what, status, body]).toEqual([what, 200, null]);
      }
    }
    expect(await isOpen(account)).toBe(true);
    const answers = [];
    for (let i = 0; i < 3; i++)
      answers.push((await revoke({ token: account.refreshToken }, {}, i % 2 ? t.b : t.a)).status);
    expect([answers, await isOpen(account)]).toEqual([[200, 200, 200], false]);
    expect(await trailOf(account.user.id)).toHaveLength(1);
  });

  it('It does not matter here how a refresh token was delivered', async () => {
    const account = await t.a.signUp();
    const answer = await t.a.login({ ...account.credentials, tokenDelivery: 'cookie' });
    const [, token] = cookieOf(answer).split('=');
    expect((await revoke({ token: token! })).status).toBe(200);
    expect([await isOpen(answer.body), await isOpen(account)]).toEqual([false, true]);
  });

  it('An older, spent refresh token is reuse here as well: its session ends, and for that reason', async () => {
    const account = await t.a.signUp();
    const second = (await t.a.refresh(account.refreshToken)).body;
    const third = (await t.a.refresh(second.refreshToken)).body;
    expect((await revoke({ token: account.refreshToken }, asClient())).status).toBe(200);
    expect(await isOpen(third)).toBe(false);
    expect((await trailOf(account.user.id)).find(({ type }) => type === 'session_revoked')).toMatchObject({
      reason: 'refresh_token_reuse',
      actor_id: null,
    });
  });

  it('A predecessor that is still honoured ends its session as a logout does', async () => {
    const account = await t.a.signUp();
    const second = (await t.a.refresh(account.refreshToken)).body;
    await revoke({ token: account.refreshToken });
    expect(await isOpen(second)).toBe(false);
    expect((await trailOf(account.user.id))[0]!.reason).toBe('logout');
  });

  it('Credentials that are wrong end nothing, and the answer is OAuth’s', async () => {
    const account = await t.a.signUp();
    const token = account.refreshToken;
    const other = await addClient(t.a, staff, 'introspect', 'verify', 'signals');
    const ended = await addClient(t.a, staff, 'revoke');
    await t.b.call('DELETE', `/admin/clients/${ended.id}`, { bearer: staff.accessToken });
    const { id, clientSecret } = client;

    const wrong = error(401, 'invalid_client');
    expect(errorOf(await revoke({ token }, asClient({ ...client, clientSecret: other.clientSecret })))).toEqual(wrong);
    expect(errorOf(await revoke({ token }, asClient(ended)))).toEqual(wrong);
    expect(errorOf(await revoke({ token }, { authorization: `Bearer ${account.accessToken}` }))).toEqual(wrong);
    expect(errorOf(await revoke({ token, client_id: id, client_secret: 'x' }))).toEqual(wrong);
    expect(errorOf(await revoke({ token, client_secret: clientSecret }))).toEqual(wrong);
    expect(errorOf(await revoke({ token, client_assertion: 'x', client_assertion_type: 'x' }))).toEqual(wrong);
    expect(errorOf(await revoke({ token }, asClient(other)))).toEqual(error(403, 'insufficient_scope'));
    const both = { token, client_id: id, client_secret: clientSecret };
    expect(errorOf(await revoke(both, asClient()))).toEqual(error(400, 'invalid_request'));
    expect(errorOf(await revoke({ token, client_id: other.id }, asClient()))).toEqual(error(400, 'invalid_request'));
    expect((await revoke({ token }, asClient(ended))).headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    expect(await isOpen(account)).toBe(true);
    expect((await revoke({ token, client_id: id }, asClient())).status).toBe(200);
    expect(await isOpen(account)).toBe(false);
  });

  it('What is no form, or says no token or two, is invalid_request and ends nothing', async () => {
    const account = await t.a.signUp();
    const token = account.refreshToken;
    const call = (body: unknown, type: string) =>
      t.a.call('POST', '/oauth/revoke', { body, headers: { 'content-type': type } });
    const form = 'application/x-www-form-urlencoded';
    const answers = [
      await call({ token }, 'application/json'),
      await call(`token=${token}`, 'text/plain'),
      await t.a.call('POST', '/oauth/revoke'),
      await revoke({}),
      await revoke({ token: '' }),
      await revoke([
        ['token', token],
        ['token', token],
      ]),
      await revoke([
        ['token', token],
        ['client_secret', 'a'],
        ['client_secret', 'b'],
      ]),
      await call(`token=${token}&x=%ff`, form),
      await call(`token=${token}&x=%`, form),
      await call(`token=${token}&x=${'x'.repeat(17_000)}`, form),
    ];
    for (const answer of answers) {
      expect(errorOf(answer).slice(1)).toEqual(error(400, 'invalid_request').slice(1));
      expect([400, 413]).toContain(answer.status);
    }
    expect(await isOpen(account)).toBe(true);
  });

  it('A page of another site cannot send it', async () => {
    const account = await t.a.signUp();
    const answer = await revoke({ token: account.refreshToken }, { 'sec-fetch-site': 'cross-site' });
    expect([answer.status, await isOpen(account)]).toEqual([403, true]);
  });

  it('Open streams of the session end on both instances', async () => {
    const account = await t.a.signUp();
    const streams = await Promise.all([t.a, t.b].map((api) => EventStream.open(api, account.accessToken)));
    await revoke({ token: account.refreshToken }, asClient());
    for (const stream of streams) {
      await stream.ended();
      expect(stream.events.at(-1)).toMatchObject({
        type: 'session.revoked',
        data: { id: account.session.id, reason: 'revoked_by_service' },
      });
    }
  });
});

describe('POST /oauth/global-token-revocation', () => {
  it('Every session of the user ends at once, and the audit trail names the service', async () => {
    const account = await t.a.signUp();
    const other = await t.b.signIn(account.credentials);
    const bystander = await t.a.signUp();
    const { status, headers, body } = await revokeAll({ format: 'opaque', id: account.user.id });
    expect([status, body, headers.get('cache-control')]).toEqual([204, null, 'no-store']);
    expect(await Promise.all([account, other, bystander].map((one) => isOpen(one)))).toEqual([false, false, true]);
    const line = { type: 'session_revoked', reason: 'revoked_by_service', actor_id: client.id, note: null };
    expect(await trailOf(account.user.id)).toEqual([
      {
        type: 'sessions_revoked_by_service',
        reason: null,
        actor_id: client.id,
        note: expect.stringMatching(`^${client.id} client-`),
      },
      line,
      line,
    ]);
    // Again, and with nothing to end.
    expect((await revokeAll({ format: 'opaque', id: account.user.id }, asClient(), t.b)).status).toBe(204);
    expect((await t.a.login(account.credentials)).status).toBe(200);
  });

  it('A user who is not known here, or belongs to another issuer, is 404', async () => {
    const { user, ...account } = await t.a.signUp();
    const unknown = [
      { format: 'opaque', id: randomUUID() },
      { format: 'opaque', id: 'x' },
      { format: 'email', email: 'nobody@example.com' },
      { format: 'email', email: user.email.replace('e', 'é') },
      // Its letter K becomes ours in lower case.
      { format: 'email', email: '\u212A@example.com' },
      { format: 'iss_sub', iss: 'https://other.example', sub: user.id },
      { format: 'iss_sub', iss: 'LATCHKEY', sub: user.id },
      { format: 'iss_sub', iss: 'latchkey', sub: randomUUID() },
      { format: 'iss_sub', iss: 'latchkey', sub: 'x' },
    ];
    for (const subject of unknown) {
      expect([subject, ...errorOf(await revokeAll(subject))]).toEqual([subject, ...error(404, 'subject_not_found')]);
    }
    expect(await isOpen(account)).toBe(true);
  });

  it('The issuer may be named as access tokens name it, or by its URL', async () => {
    const { user } = await t.a.signUp();
    for (const iss of ['latchkey', 'https://login.example.com']) {
      expect((await revokeAll({ format: 'iss_sub', iss, sub: user.id })).status).toBe(204);
    }
  });

  it.each([
    undefined,
    null,
    'x',
    42,
    [],
    {},
    { format: 'did', url: 'did:example:1' },
    { format: ['opaque'], id: 'x' },
    { format: 'opaque' },
    { format: 'opaque', id: '' },
    { format: 'opaque', id: 42 },
    { format: 'opaque', id: 'a\0b' },
    { format: 'opaque', id: 'x'.repeat(513) },
    { format: 'opaque', id: 'x', email: 'ada@example.com' },
    { format: 'iss_sub', iss: 'latchkey' },
    { format: 'email', email: ['ada@example.com'] },
    { format: 'constructor' },
  ])('A subject like %j is invalid_request', async (subject) => {
    const answer = await revokeAll(subject);
    expect(errorOf(answer)).toEqual(error(400, 'invalid_request'));
    expect(answer.body.error_description).toMatch(/^sub_id/);
  });

  it('It takes JSON and nothing else, with nothing more in it', async () => {
    const { user, ...account } = await t.a.signUp();
    const sub_id = { format: 'opaque', id: user.id };
    const answers = [
      await t.a.call('POST', '/oauth/global-token-revocation', { headers: asClient(), body: { sub_id, reason: 'x' } }),
      await postForm(t.a, '/oauth/global-token-revocation', { sub_id: user.id }, asClient()),
      await t.a.call('POST', '/oauth/global-token-revocation', { headers: asClient() }),
    ];
    expect(answers.map((answer) => errorOf(answer))).toEqual(answers.map(() => error(400, 'invalid_request')));
    expect(await isOpen(account)).toBe(true);
  });

  it('Without a client, with a wrong one or without the scope it ends nothing', async () => {
    const account = await t.a.signUp();
    const subject = { format: 'opaque', id: account.user.id };
    const other = await addClient(t.a, staff, 'introspect');
    expect(errorOf(await revokeAll(subject, {}))).toEqual(error(401, 'invalid_client'));
    expect(errorOf(await revokeAll(null, {}))).toEqual(error(401, 'invalid_client'));
    expect(errorOf(await revokeAll(subject, { authorization: `Bearer ${account.accessToken}` }))).toEqual(
      error(401, 'invalid_client'),
    );
    expect(errorOf(await revokeAll(subject, asClient(other)))).toEqual(error(403, 'insufficient_scope'));
    expect(await isOpen(account)).toBe(true);
  });

  it('Links that were mailed before do not work any more', async () => {
    const { credentials, user } = await t.a.signUp();
    await t.a.call('POST', '/auth/password/forgot', { body: { email: credentials.email } });
    const token = await t.mailbox.tokenFor(credentials.email, SUBJECTS.reset);
    expect((await revokeAll({ format: 'email', email: user.email })).status).toBe(204);
    const reset = { token, newPassword: 'another passphrase of a test' };
    expect((await t.b.call('POST', '/auth/password/reset', { body: reset })).body.code).toBe('invalid_reset_token');
  });

  it('A login under way is either ended or comes after it: none is left from before', async () => {
    const { credentials, user } = await t.a.signUp();
    const users = await holdUsers(t.database, [user.id]);
    try {
      const logins = [t.a.login(credentials), t.b.login(credentials)];
      await users.waiting('FOR NO KEY UPDATE', 2);
      const revoked = revokeAll({ format: 'opaque', id: user.id });
      await users.waiting('FOR NO KEY UPDATE', 3);
      await users.release();
      expect((await revoked).status).toBe(204);
      // PostgreSQL grants a row in the order in which they asked: these were opened before, and are over.
      for (const { body } of await Promise.all(logins)) {
        expect(await isOpen(body)).toBe(false);
      }
    } finally {
      await users.release();
    }
  });
});
