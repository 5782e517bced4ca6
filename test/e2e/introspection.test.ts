import { generateKey } from '../../src/keys/signing-key.js';
import { cookieOf, type AuthResult, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { addClient, basic, signUpStaff, type TestClient } from '../support/clients.js';
import { claimsOf, forgeRefreshToken, partsOf, resign, signingKeyOf } from '../support/forge.js';
import { INACTIVE, Introspector, type RawAnswer } from '../support/introspection.js';
import { age, expire, expireIdle, leaveUnseen } from '../support/time.js';
import { until } from '../support/until.js';

// Accounts are deleted.
const t = useApp({}, { hasMissingRows: true });
let staff: AuthResult;
let client: TestClient;
let service: Introspector;

beforeAll(async () => {
  staff = await signUpStaff(t.api, t.database);
  client = await addClient(t.api, staff, 'introspect');
  service = new Introspector(t.api, client);
});

const sessionRow = async (id: string) => {
  const [row] = await t.database.query<{ used_generation: number; is_recent: boolean; generation: number }>(
    `SELECT generation, used_generation, last_seen_at > now() - interval '1 minute' AS is_recent FROM sessions WHERE id = $1`,
    [id],
  );
  return row!;
};

/** A login by cookie: the access token, and the refresh token as it stands in the cookie. */
async function signUpByCookie() {
  const answer = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
  return { ...answer.body, refreshToken: cookieOf(answer).split('=')[1]! };
}

it('An access token of an open session is active, with what RFC 7662 has and what Latchkey adds, and no more', async () => {
  const { accessToken, user, session } = await t.api.signUp();
  const { iat, exp, jti, auth_time } = claimsOf(accessToken);
  expect(await service.ask(accessToken)).toEqual({
    active: true,
    token_type: 'Bearer',
    sub: user.id,
    sid: session.id,
    iss: 'latchkey',
    aud: 'latchkey',
    jti,
    iat,
    exp,
    auth_time,
    username: user.email,
  });
});

it('A refresh token is active in whichever way it was delivered, until its session ends, idle or absolute', async () => {
  for (const { refreshToken, user, session, accessToken } of [await t.api.signUp(), await signUpByCookie()]) {
    expect(await service.ask(refreshToken)).toEqual({
      active: true,
      token_type: 'refresh_token',
      sub: user.id,
      sid: session.id,
      exp: Math.floor(Date.parse(session.idleExpiresAt) / 1000),
      auth_time: claimsOf(accessToken)['auth_time'],
    });
  }
});

it('The hint about the type of a token changes nothing', async () => {
  const { accessToken, refreshToken } = await t.api.signUp();
  for (const hint of ['access_token', 'refresh_token', 'pat', '']) {
    expect(await service.ask(accessToken, { token_type_hint: hint })).toMatchObject({ token_type: 'Bearer' });
    expect(await service.ask(refreshToken, { token_type_hint: hint })).toMatchObject({ token_type: 'refresh_token' });
  }
});

it('A refresh token is not spent by being introspected, and one that was exchanged is no reuse', async () => {
  const { refreshToken, accessToken, session } = await t.api.signUp();
  expect(await service.isActive(refreshToken)).toBe(true);
  const { body: next } = await t.api.refresh(refreshToken);
  expect((await sessionRow(session.id)).generation).toBe(2);

  // The predecessor is honoured while its answer may have been lost.
  expect(await service.isActive(refreshToken)).toBe(true);
  expect(await service.isActive(next.refreshToken)).toBe(true);

  const { body: newest } = await t.api.refresh(next.refreshToken);
  expect((await service.send({ token: refreshToken })).text).toBe(INACTIVE);
  expect(await service.isActive(newest.refreshToken)).toBe(true);
  expect((await t.api.me(accessToken)).status).toBe(200);
  expect((await t.api.refresh(newest.refreshToken)).status).toBe(200);
});

it('A predecessor is inactive once its successor was used and the grace is over, and its session stays', async () => {
  const { refreshToken, session } = await t.api.signUp();
  const { body: next } = await t.api.refresh(refreshToken);
  await age(t.database, session.id, 'rotated_at', '1 minute');
  expect(await service.isActive(refreshToken)).toBe(true);

  // Another service that accepts the new access token shows that the answer has arrived.
  expect(await service.isActive(next.accessToken)).toBe(true);
  await until('the use is recorded', async () => (await sessionRow(session.id)).used_generation === 2);
  expect((await service.send({ token: refreshToken })).text).toBe(INACTIVE);
  expect((await t.api.refresh(next.refreshToken)).status).toBe(200);
});

it('Introspection of an access token counts as use of its session, and that of a refresh token does not', async () => {
  const { accessToken, refreshToken, session } = await t.api.signUp();
  await leaveUnseen(t.database, session.id, '1 hour');
  await service.ask(refreshToken);
  // Written down once a second.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(await sessionRow(session.id)).toMatchObject({ used_generation: 0, is_recent: false });
  await service.ask(accessToken);
  await until('the use is recorded', async () => (await sessionRow(session.id)).is_recent);
  expect(await sessionRow(session.id)).toMatchObject({ used_generation: 1 });
});

describe('a token that is not active', () => {
  const cases: Record<string, () => Promise<string> | string> = {
    'access token of a session that was logged out': async () => {
      const { accessToken, refreshToken } = await t.api.signUp();
      await t.api.logout(refreshToken);
      return accessToken;
    },
    'refresh token of a session that was logged out': async () => {
      const { refreshToken } = await t.api.signUp();
      await t.api.logout(refreshToken);
      return refreshToken;
    },
    'access token of an idle session': async () => {
      const { accessToken, session } = await t.api.signUp();
      await expireIdle(t.database, session.id);
      return accessToken;
    },
    'refresh token of an idle session': async () => {
      const { refreshToken, session } = await t.api.signUp();
      await expireIdle(t.database, session.id);
      return refreshToken;
    },
    'access token of an expired session': async () => {
      const { accessToken, session } = await t.api.signUp();
      await expire(t.database, session.id);
      return accessToken;
    },
    'access token of a disabled user': async () => {
      const { accessToken, user } = await t.api.signUp();
      await t.api.call('POST', `/admin/users/${user.id}/disable`, { bearer: staff.accessToken, body: {} });
      return accessToken;
    },
    'refresh token of a disabled user': async () => {
      const { refreshToken, user } = await t.api.signUp();
      await t.api.call('POST', `/admin/users/${user.id}/disable`, { bearer: staff.accessToken, body: {} });
      return refreshToken;
    },
    'access token of a deleted account': async () => {
      const { accessToken, credentials } = await t.api.signUp();
      await t.api.call('POST', '/auth/me/delete', { bearer: accessToken, body: { password: credentials.password } });
      return accessToken;
    },
    'refresh token of a deleted account': async () => {
      const { accessToken, refreshToken, credentials } = await t.api.signUp();
      await t.api.call('POST', '/auth/me/delete', { bearer: accessToken, body: { password: credentials.password } });
      return refreshToken;
    },
    'access token past its time': async () =>
      resign(await t.api.signUp(), await signingKeyOf(t.database), { iat: 1_700_000_000, exp: 1_700_000_600 }),
    'access token of another issuer, signed with our key': async () =>
      resign(await t.api.signUp(), await signingKeyOf(t.database), { iss: 'https://issuer.example' }),
    'access token for another audience': async () =>
      resign(await t.api.signUp(), await signingKeyOf(t.database), { aud: 'another' }),
    'access token signed with a key that is not ours': async () => resign(await t.api.signUp(), generateKey()),
    'access token signed with a secret under HS256': async () => resign(await t.api.signUp(), 'x'.repeat(40)),
    'access token without a signature': async () => {
      const { accessToken } = await t.api.signUp();
      return `${accessToken.slice(0, accessToken.lastIndexOf('.'))}.`;
    },
    'refresh token with a mac of nobody': async () =>
      forgeRefreshToken(partsOf((await t.api.signUp()).refreshToken), 'another secret, long enough to be one'),
    'refresh token with our mac and another nonce': async () =>
      forgeRefreshToken({ ...partsOf((await t.api.signUp()).refreshToken), nonce: 'x'.repeat(43) }),
    'refresh token of a generation to come': async () =>
      forgeRefreshToken({ ...partsOf((await t.api.signUp()).refreshToken), generation: 7 }),
    'signed answer of introspection': async () => {
      const { accessToken } = await t.api.signUp();
      const { text } = await service.send({ token: accessToken }, { accept: 'application/token-introspection+jwt' });
      return text;
    },
    'client secret': () => client.clientSecret,
    word: () => 'x',
    'text with controls and marks': () => 'a\u0001\u202e\r\nb',
    'number of ten thousand bytes': () => '7'.repeat(10_000),
    'header of ten thousand bytes': () => `${'e'.repeat(10_000)}.e30.x`,
  };

  let reference: RawAnswer;
  beforeAll(async () => {
    reference = await service.send({ token: 'nothing that was ever issued' }, { 'x-request-id': 'same' });
  });

  it.each(Object.keys(cases))('For a %s the answer is the bytes of every other', async (name) => {
    const token = await cases[name]!();
    for (const hint of ['', 'access_token', 'refresh_token']) {
      const { status, headers, text } = await service.send(
        { token, token_type_hint: hint },
        { 'x-request-id': 'same' },
      );
      expect([name, status, text]).toEqual([name, 200, INACTIVE]);
      const seen = (from: Headers) => [...from].filter(([header]) => header !== 'date');
      expect(seen(headers)).toEqual(seen(reference.headers));
    }
  });

  it('An answer is JSON in UTF-8 that no cache stores', () => {
    expect(reference.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(reference.headers.get('cache-control')).toBe('no-store');
  });
});

it('A token of an ended session that another service is still sent stands in the audit trail', async () => {
  const { accessToken, refreshToken, session } = await t.api.signUp();
  await t.api.logout(refreshToken);
  await service.send({ token: accessToken }, { 'user-agent': 'a service/1' });
  const [event] = await until('the use is recorded', async () => {
    const found = await t.database.query<{ user_agent: string }>(
      `SELECT user_agent FROM audit_events WHERE type = 'ended_session_used' AND session_id = $1`,
      [session.id],
    );
    return found.length > 0 && found;
  });
  expect(event).toEqual({ user_agent: 'a service/1' });
});

it('A client may be authenticated by the form, beside the token', async () => {
  const { accessToken } = await t.api.signUp();
  const { id, clientSecret } = client;
  const body = new URLSearchParams({ token: accessToken, client_id: id, client_secret: clientSecret });
  const response = await fetch(`${t.api.url}/oauth/introspect`, { method: 'POST', body });
  expect([response.status, await response.json()]).toEqual([200, expect.objectContaining({ active: true })]);
});

it.each<[string, string, Record<string, string>, number, string]>([
  ['no token', '', {}, 400, 'invalid_request'],
  ['an empty token', 'token=', {}, 400, 'invalid_request'],
  ['two tokens', 'token=a&token=b', {}, 400, 'invalid_request'],
  ['two tokens that are the same', 'token=a&token=a', {}, 400, 'invalid_request'],
  ['a broken escape', 'token=%', {}, 400, 'invalid_request'],
  ['JSON for a form', '{"token":"a"}', { 'content-type': 'application/json' }, 400, 'invalid_request'],
  ['no content type', 'token=a', { 'content-type': '' }, 400, 'invalid_request'],
  ['twenty thousand bytes', `token=${'x'.repeat(20_000)}`, {}, 413, 'invalid_request'],
  [
    'a client that is not there',
    'token=a',
    { authorization: basic({ id: 'x', clientSecret: 'y' }) },
    401,
    'invalid_client',
  ],
  ['a wrong client and a faulty form', 'x', { authorization: 'Basic eDp5' }, 401, 'invalid_client'],
  ['another site', 'token=a', { 'sec-fetch-site': 'cross-site' }, 403, 'cross_site_request'],
])('A request with %s is refused in the shape of OAuth', async (_, form, headers, status, error) => {
  const answer = await service.send(form, headers);
  expect([answer.status, JSON.parse(answer.text)]).toEqual([status, { error, error_description: expect.any(String) }]);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('www-authenticate')?.startsWith('Basic realm="latchkey"') ?? false).toBe(status === 401);
});

it('A client without the scope, and one that has ended, are refused', async () => {
  const other = new Introspector(t.api, await addClient(t.api, staff, 'verify', 'revoke'));
  const refused = await other.send({ token: 'x' });
  expect([refused.status, JSON.parse(refused.text).error]).toEqual([403, 'insufficient_scope']);

  const ended = await addClient(t.api, staff, 'introspect');
  expect(await new Introspector(t.api, ended).isActive('x')).toBe(false);
  await t.api.call('DELETE', `/admin/clients/${ended.id}`, { bearer: staff.accessToken });
  const { status, text } = await new Introspector(t.api, ended).send({ token: 'x' });
  expect([status, JSON.parse(text).error]).toEqual([401, 'invalid_client']);
});

it('An access token does not stand in for a client', async () => {
  const { accessToken } = await t.api.signUp();
  const answer = await service.send({ token: accessToken }, { authorization: `Bearer ${accessToken}` });
  expect([answer.status, JSON.parse(answer.text).error]).toEqual([401, 'invalid_client']);
});
