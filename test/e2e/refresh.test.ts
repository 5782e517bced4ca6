import { randomBytes } from 'node:crypto';
import { type AuthResult, cookieOf, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { claimsOf, forgeRefreshToken, partsOf } from '../support/forge.js';
import { age, expire, expireIdle, expireIn } from '../support/time.js';
import { until } from '../support/until.js';

const t = useApp();

/** Uses an access token, and waits until the service has written down that its generation is in use. */
async function use({ accessToken, session }: AuthResult): Promise<void> {
  expect((await t.api.me(accessToken)).status).toBe(200);
  const generation = claimsOf(accessToken)['gen'];
  await until('the use is noticed', async () => {
    const [row] = await t.database.query<{ used: boolean }>(
      'SELECT used_generation >= $2 AS used FROM sessions WHERE id = $1',
      [session.id, generation],
    );
    return row!.used;
  });
}

const pastTheGrace = (id: string) => age(t.database, id, 'rotated_at', '11 seconds');

async function refreshed(refreshToken: string): Promise<AuthResult> {
  const { status, body } = await t.api.refresh(refreshToken);
  expect(status).toBe(200);
  return body;
}

async function stateOf(id: string) {
  const [row] = await t.database.query<{ generation: number; revoked_reason: string | null }>(
    'SELECT generation, revoked_reason FROM sessions WHERE id = $1',
    [id],
  );
  return row!;
}

describe('rotation', () => {
  it('A refresh moves to the next generation and extends the idle end of the session, but not its absolute end', async () => {
    const first = await t.api.signUp();
    await t.database.query(
      `UPDATE sessions SET idle_expires_at = now() + interval '1 hour', authenticated_at = authenticated_at - interval '1 day' WHERE id = $1`,
      [first.session.id],
    );
    const next = await refreshed(first.refreshToken);

    expect(next.refreshToken).not.toBe(first.refreshToken);
    expect(next.session.id).toBe(first.session.id);
    expect(next.session.expiresAt).toBe(first.session.expiresAt);
    expect(Date.parse(next.session.idleExpiresAt)).toBeGreaterThan(Date.now() + 6 * 24 * 3600 * 1000);
    expect(claimsOf(next.accessToken)).toMatchObject({
      gen: 2,
      auth_time: Number(claimsOf(first.accessToken)['auth_time']) - 24 * 3600,
    });
    expect((await t.api.me(next.accessToken)).status).toBe(200);
  });

  it('A refresh never moves the idle end past the absolute end, and its access token outlives neither', async () => {
    const first = await t.api.signUp();
    await expireIn(t.database, first.session.id, '100 seconds');
    const next = await refreshed(first.refreshToken);
    expect(next.session.idleExpiresAt).toBe(next.session.expiresAt);
    expect(next.expiresIn).toBeLessThanOrEqual(100);
    expect(Number(claimsOf(next.accessToken)['exp']) * 1000).toBeLessThanOrEqual(Date.parse(next.session.expiresAt));
  });

  it('Fifty simultaneous refreshes with one token get the same successor', async () => {
    const first = await t.api.signUp();
    const answers = await Promise.all(Array.from({ length: 50 }, () => t.api.refresh(first.refreshToken)));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);
    expect(await stateOf(first.session.id)).toEqual({ generation: 2, revoked_reason: null });
    await refreshed(answers[0]!.body.refreshToken);
  });

  it('A refresh by cookie sets the successor in a cookie with its remaining life', async () => {
    const first = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
    const next = await t.api.refreshByCookie(cookieOf(first));
    expect(next.status).toBe(200);
    expect(next.body).not.toHaveProperty('refreshToken');
    expect(cookieOf(next)).not.toBe(cookieOf(first));
    expect(next.headers.getSetCookie()[0]).toMatch(/Max-Age=(60479\d|604800);/);
  });
});

describe('a predecessor', () => {
  it('A predecessor token is accepted inside the grace window, though its successor is in use', async () => {
    const first = await t.api.signUp();
    const next = await refreshed(first.refreshToken);
    await use(next);
    expect((await refreshed(first.refreshToken)).refreshToken).toBe(next.refreshToken);
  });

  it('A predecessor token is accepted after the grace window while its successor was never used', async () => {
    const first = await t.api.signUp();
    const next = await refreshed(first.refreshToken);
    await pastTheGrace(first.session.id);
    const healed = await refreshed(first.refreshToken);
    expect(healed.refreshToken).toBe(next.refreshToken);
    expect((await t.api.me(healed.accessToken)).status).toBe(200);
  });

  it('A predecessor token is reuse after the grace window once its successor is in use, and revokes that session alone', async () => {
    const first = await t.api.signUp();
    const other = await t.api.signIn(first.credentials);
    const next = await refreshed(first.refreshToken);
    await use(next);
    await pastTheGrace(first.session.id);

    expect(await t.api.refresh(first.refreshToken)).toMatchObject({
      status: 401,
      body: { code: 'refresh_token_reused' },
    });

    expect(await t.api.me(next.accessToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    expect(await t.api.refresh(next.refreshToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    expect((await t.api.me(other.accessToken)).status).toBe(200);
    await refreshed(other.refreshToken);
    expect(await stateOf(first.session.id)).toEqual({ generation: 2, revoked_reason: 'refresh_token_reuse' });
    const events = await t.database.query(
      `SELECT reason, actor_id FROM audit_events WHERE session_id = $1 AND type = 'session_revoked'`,
      [first.session.id],
    );
    expect(events).toEqual([{ reason: 'refresh_token_reuse', actor_id: null }]);
  });

  it('The use of an access token from before a refresh does not count as use of the successor', async () => {
    const first = await t.api.signUp();
    await refreshed(first.refreshToken);
    await use(first);
    await pastTheGrace(first.session.id);
    await refreshed(first.refreshToken);
  });
});

describe('an older token', () => {
  it.each([
    ['two generations old', 2, 0],
    ['five generations old', 5, 0],
    ['the very first of seven', 7, 0],
  ])('A refresh token that is %s is reuse, inside the grace window too', async (_, rotations, index) => {
    const first = await t.api.signUp();
    const tokens = [first.refreshToken];
    for (let i = 0; i < rotations; i++) {
      tokens.push((await refreshed(tokens.at(-1)!)).refreshToken);
    }
    expect(await t.api.refresh(tokens[index]!)).toMatchObject({ status: 401, body: { code: 'refresh_token_reused' } });
    expect(await t.api.refresh(tokens.at(-1)!)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    expect((await stateOf(first.session.id)).revoked_reason).toBe('refresh_token_reuse');
  });

  it('A refresh by cookie that is refused as reuse clears the cookie', async () => {
    const first = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
    const second = await t.api.refreshByCookie(cookieOf(first));
    await t.api.refreshByCookie(cookieOf(second));
    const refused = await t.api.refreshByCookie(cookieOf(first));
    expect(refused.body.code).toBe('refresh_token_reused');
    expect(refused.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^refresh_token=;.*(Max-Age=0|Expires=Thu, 01 Jan 1970)/),
    ]);
  });
});

describe('a token that is not good', () => {
  it('A forged, truncated or nonsense refresh token is refused, ends no session and clears no cookie', async () => {
    const { refreshToken, accessToken, session } = await t.api.signUp();
    const parts = partsOf(refreshToken);
    const bad = [
      refreshToken.slice(0, -1),
      refreshToken.replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')),
      forgeRefreshToken(parts, 'another-secret-of-at-least-32-bytes!'),
      forgeRefreshToken({ ...parts, generation: 0 }),
      forgeRefreshToken({ ...parts, generation: 2 }),
      forgeRefreshToken({ ...parts, generation: 999999999 }),
      // With the secret, but without the nonce: a leaked secret alone is no token, and ends nothing.
      forgeRefreshToken({ ...parts, nonce: randomBytes(32).toString('base64url') }),
      accessToken,
      'x',
      '',
    ];
    for (const token of bad) {
      const answer = await t.api.refresh(token);
      expect([token, answer.status, answer.body.code]).toEqual([token, 401, 'invalid_refresh_token']);
      const byCookie = await t.api.refreshByCookie(`refresh_token=${token}`);
      expect(byCookie.status).toBe(401);
      expect(byCookie.headers.getSetCookie()).toEqual([]);
    }
    expect(await stateOf(session.id)).toEqual({ generation: 1, revoked_reason: null });
    // The forger knows how: the same parts make the token the service made.
    expect(forgeRefreshToken(parts)).toBe(refreshToken);
    await refreshed(refreshToken);
  });

  it('An old generation that is forged with the secret but another nonce is refused and ends no session', async () => {
    const first = await t.api.signUp();
    let token = first.refreshToken;
    for (let i = 0; i < 3; i++) token = (await refreshed(token)).refreshToken;
    const forged = forgeRefreshToken({
      ...partsOf(token),
      generation: 1,
      nonce: randomBytes(32).toString('base64url'),
    });
    expect(await t.api.refresh(forged)).toMatchObject({ status: 401, body: { code: 'invalid_refresh_token' } });
    await refreshed(token);
  });

  it('A refresh gets 401 when its token is missing and 400 when it is no string', async () => {
    expect(await t.api.call('POST', '/auth/refresh')).toMatchObject({
      status: 401,
      body: { code: 'invalid_refresh_token' },
    });
    expect(await t.api.call('POST', '/auth/refresh', { body: {} })).toMatchObject({ status: 401 });
    for (const refreshToken of [5, null, {}, ['v1'], true]) {
      expect(await t.api.call('POST', '/auth/refresh', { body: { refreshToken } })).toMatchObject({
        status: 400,
        body: { code: 'validation_failed', errors: [{ field: 'refreshToken' }] },
      });
    }
  });

  it.each([
    ['past its idle end', (id: string) => expireIdle(t.database, id), 'session_expired'],
    ['past its absolute end', (id: string) => expire(t.database, id), 'session_expired'],
    ['that was revoked', (id: string, accessToken: string) => t.api.endSession(accessToken, id), 'session_revoked'],
  ])('The refresh and access tokens of a session %s are refused, and the cookie is cleared', async (_, end, code) => {
    const answer = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
    await end(answer.body.session.id, answer.body.accessToken);
    const refused = await t.api.refreshByCookie(cookieOf(answer));
    expect(refused).toMatchObject({ status: 401, body: { code } });
    expect(refused.headers.getSetCookie()).toHaveLength(1);
    expect(await t.api.me(answer.body.accessToken)).toMatchObject({ status: 401, body: { code } });
  });

  it('The refresh and access tokens of a disabled user are refused', async () => {
    const { refreshToken, accessToken, user } = await t.api.signUp();
    await t.database.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    expect(await t.api.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    expect(await t.api.me(accessToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
  });

  it('A spent refresh token is still recognised as reuse after the logout of its session', async () => {
    const first = await t.api.signUp();
    const second = await refreshed(first.refreshToken);
    const third = await refreshed(second.refreshToken);
    await t.api.logout(third.refreshToken);
    expect(await t.api.refresh(first.refreshToken)).toMatchObject({
      status: 401,
      body: { code: 'refresh_token_reused' },
    });
    expect((await stateOf(first.session.id)).revoked_reason).toBe('logout');
  });
});
