import { cookieOf, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { resign, signingKeyOf } from '../support/forge.js';
import { asIfRevokedEarlier, expireIdleIn } from '../support/time.js';
import { holdSessions } from '../support/held-rows.js';
import { until } from '../support/until.js';

const t = useApp();
const CLEARED = /^refresh_token=;.*(Max-Age=0|Expires=Thu, 01 Jan 1970)/;
const REVOKED = { status: 401, body: { code: 'session_revoked' } };

async function revocationsOf(sessionId: string) {
  return t.database.query(
    `SELECT s.revoked_reason AS reason, s.revoked_by AS by, count(e.*)::integer AS events FROM sessions s
     LEFT JOIN audit_events e ON e.session_id = s.id AND e.type = 'session_revoked' AND e.reason = s.revoked_reason
     WHERE s.id = $1 GROUP BY s.id`,
    [sessionId],
  );
}

/** Asks as if the session had ended a minute ago. */
const aMinuteLater = <T>(sessionId: string, ask: () => Promise<T>): Promise<T> =>
  asIfRevokedEarlier(t.database, sessionId, '1 minute', ask);

describe('logout', () => {
  it('A logout by refresh token revokes that session alone, at once', async () => {
    const laptop = await t.api.signUp();
    const phone = await t.api.signIn(laptop.credentials);
    expect((await t.api.logout(phone.refreshToken)).status).toBe(204);
    expect(await t.api.me(phone.accessToken)).toMatchObject(REVOKED);
    expect(await t.api.refresh(phone.refreshToken)).toMatchObject(REVOKED);
    expect((await t.api.me(laptop.accessToken)).status).toBe(200);
    expect(await revocationsOf(phone.session.id)).toEqual([{ reason: 'logout', by: laptop.user.id, events: 1 }]);
  });

  it('A logout by cookie revokes the session and clears the cookie and the site data', async () => {
    const login = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
    const answer = await t.api.call('POST', '/auth/logout', { cookie: cookieOf(login) });
    expect(answer.status).toBe(204);
    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(CLEARED)]);
    expect(answer.headers.get('clear-site-data')).toBe('"cookies", "storage"');
    expect(await t.api.me(login.body.accessToken)).toMatchObject(REVOKED);
  });

  it('A logout by access token revokes its session, and clears no site data when there is no cookie', async () => {
    const { accessToken, session, user } = await t.api.signUp();
    const answer = await t.api.call('POST', '/auth/logout', { bearer: accessToken });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('clear-site-data')).toBeNull();
    expect(await t.api.me(accessToken)).toMatchObject(REVOKED);
    expect(await revocationsOf(session.id)).toEqual([{ reason: 'logout', by: user.id, events: 1 }]);
  });

  it('A logout with an expired access token beside a good refresh token works', async () => {
    const login = await t.api.signUp();
    const expired = resign(login, await signingKeyOf(t.database), { exp: Math.floor(Date.now() / 1000) - 100 });
    expect((await t.api.me(expired)).status).toBe(401);
    const answer = await t.api.call('POST', '/auth/logout', {
      bearer: expired,
      body: { refreshToken: login.refreshToken },
    });
    expect(answer.status).toBe(204);
    expect(await t.api.me(login.accessToken)).toMatchObject(REVOKED);
  });

  it('A logout with tokens of two sessions revokes only the session of the good refresh token', async () => {
    const a = await t.api.signUp();
    const b = await t.api.signUp();
    await t.api.call('POST', '/auth/logout', { bearer: b.accessToken, body: { refreshToken: a.refreshToken } });
    expect(await t.api.me(a.accessToken)).toMatchObject(REVOKED);
    expect((await t.api.me(b.accessToken)).status).toBe(200);
  });

  it('A logout accepts the predecessor of a refresh whose answer was lost', async () => {
    const { refreshToken, session } = await t.api.signUp();
    await t.api.refresh(refreshToken);
    expect((await t.api.logout(refreshToken)).status).toBe(204);
    expect(await revocationsOf(session.id)).toMatchObject([{ reason: 'logout', events: 1 }]);
  });

  it('A logout falls back to the access token when the refresh token is invalid', async () => {
    const { accessToken, session } = await t.api.signUp();
    const answer = await t.api.call('POST', '/auth/logout', {
      bearer: accessToken,
      body: { refreshToken: 'nonsense' },
    });
    expect(answer.status).toBe(204);
    expect(await revocationsOf(session.id)).toMatchObject([{ reason: 'logout' }]);
  });

  it('A logout with a refused cookie and no good access token gets 400 without the reason, and its cookie is cleared', async () => {
    const ended = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
    await t.api.call('POST', '/auth/logout', { cookie: cookieOf(ended) });
    const bodies = new Set<string>();
    await aMinuteLater(ended.body.session.id, async () => {
      for (const cookie of [cookieOf(ended), 'refresh_token=nonsense', 'refresh_token=']) {
        for (const bearer of [undefined, 'nonsense', ended.body.accessToken]) {
          const answer = await t.api.call('POST', '/auth/logout', { cookie, ...(bearer && { bearer }) });
          expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(CLEARED)]);
          const { requestId, ...rest } = answer.body;
          bodies.add(JSON.stringify(rest));
        }
      }
    });
    expect([...bodies]).toEqual([expect.stringContaining('"status":400')]);
    expect([...bodies][0]).toContain('invalid_refresh_token');
  });

  it('A logout with no credentials, or with a refused access token alone, is answered 401', async () => {
    const answer = await t.api.call('POST', '/auth/logout');
    expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(CLEARED)]);
    const { accessToken, session } = await t.api.signUp();
    const logout = () => t.api.call('POST', '/auth/logout', { bearer: accessToken });
    await logout();
    expect(await aMinuteLater(session.id, logout)).toMatchObject(REVOKED);
  });

  it('A logout that is sent again is answered 204 each time and recorded once', async () => {
    const byBody = await t.api.signUp();
    const byCookie = await t.api.register({ ...someone(), tokenDelivery: 'cookie' });
    const byBearer = await t.api.signUp();
    const byPredecessor = await t.api.signUp();
    await t.api.refresh(byPredecessor.refreshToken);
    for (const [session, call] of [
      [byBody.session, { body: { refreshToken: byBody.refreshToken } }],
      [byCookie.body.session, { cookie: cookieOf(byCookie) }],
      [byBearer.session, { bearer: byBearer.accessToken }],
      [byPredecessor.session, { body: { refreshToken: byPredecessor.refreshToken } }],
      [byBody.session, { bearer: byBody.accessToken, body: { refreshToken: byBody.refreshToken } }],
    ] as const) {
      const answers = await Promise.all([1, 2].map(() => t.api.call('POST', '/auth/logout', call)));
      answers.push(await t.api.call('POST', '/auth/logout', call));
      expect(answers.map(({ status }) => status)).toEqual([204, 204, 204]);
      for (const { headers } of answers) {
        expect(headers.getSetCookie()).toEqual([expect.stringMatching(CLEARED)]);
        expect(headers.has('clear-site-data')).toBe('cookie' in call);
      }
      expect(await revocationsOf(session.id)).toMatchObject([{ reason: 'logout', events: 1 }]);
    }
  });

  it('A logout of a session revoked otherwise is refused, and an older token of a logged-out session is still reuse', async () => {
    const { accessToken, refreshToken, session } = await t.api.signUp();
    await t.api.endSession(accessToken, session.id);
    expect((await t.api.logout(refreshToken)).status).toBe(400);
    expect(await t.api.call('POST', '/auth/logout', { bearer: accessToken })).toMatchObject(REVOKED);

    const first = await t.api.signUp();
    const second = (await t.api.refresh(first.refreshToken)).body;
    const third = (await t.api.refresh(second.refreshToken)).body;
    await t.api.logout(third.refreshToken);
    expect((await t.api.logout(first.refreshToken)).status).toBe(400);
    expect(await t.api.refresh(first.refreshToken)).toMatchObject({ body: { code: 'refresh_token_reused' } });
  });

  it('A logout with a logged-out refresh token revokes the session of the access token beside it', async () => {
    const old = await t.api.signUp();
    await t.api.logout(old.refreshToken);
    const { accessToken } = await t.api.signIn(old.credentials);
    const call = { bearer: accessToken, body: { refreshToken: old.refreshToken } };
    expect((await t.api.call('POST', '/auth/logout', call)).status).toBe(204);
    expect(await t.api.me(accessToken)).toMatchObject(REVOKED);
  });

  it('A logout with an older refresh token is reuse and revokes its session', async () => {
    const first = await t.api.signUp();
    const second = (await t.api.refresh(first.refreshToken)).body;
    const third = (await t.api.refresh(second.refreshToken)).body;
    expect(await t.api.logout(first.refreshToken)).toMatchObject({
      status: 400,
      body: { code: 'invalid_refresh_token' },
    });
    expect(await t.api.me(third.accessToken)).toMatchObject(REVOKED);
    expect(await revocationsOf(first.session.id)).toMatchObject([
      { reason: 'refresh_token_reuse', by: null, events: 1 },
    ]);
  });
});

describe('logout-all', () => {
  it.each(['refresh token', 'access token'])('A logout-all by %s revokes all sessions of its user only', async (by) => {
    const first = await t.api.signUp();
    const stranger = await t.api.signUp();
    const second = await t.api.signIn(first.credentials);
    const third = await t.api.signIn(first.credentials, { tokenDelivery: 'cookie' });

    const answer =
      by === 'refresh token'
        ? await t.api.logoutAll(second.refreshToken)
        : await t.api.call('POST', '/auth/logout-all', { bearer: second.accessToken });
    expect(answer).toMatchObject({ status: 200, body: { revoked: 3 } });
    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(CLEARED)]);
    for (const { accessToken, session } of [first, second, third]) {
      expect(await t.api.me(accessToken)).toMatchObject(REVOKED);
      expect(await revocationsOf(session.id)).toEqual([{ reason: 'logout_all', by: first.user.id, events: 1 }]);
    }
    expect((await t.api.me(stranger.accessToken)).status).toBe(200);
  });

  it('A logout-all needs a token of an active session', async () => {
    const first = await t.api.signUp();
    const other = await t.api.signIn(first.credentials);
    await t.api.logout(first.refreshToken);
    expect(await t.api.logoutAll(first.refreshToken)).toMatchObject(REVOKED);
    expect(await t.api.logoutAll('nonsense')).toMatchObject({ status: 401, body: { code: 'invalid_refresh_token' } });
    expect(await t.api.call('POST', '/auth/logout-all')).toMatchObject({ status: 401 });
    expect(await t.api.call('POST', '/auth/logout-all', { bearer: first.accessToken })).toMatchObject(REVOKED);
    expect((await t.api.me(other.accessToken)).status).toBe(200);
  });

  it('A logout-all accepts the predecessor of a refresh whose answer was lost', async () => {
    const { refreshToken, accessToken } = await t.api.signUp();
    await t.api.refresh(refreshToken);
    expect(await t.api.logoutAll(refreshToken)).toMatchObject({ status: 200, body: { revoked: 1 } });
    expect(await t.api.me(accessToken)).toMatchObject(REVOKED);
  });

  it('A logout-all with an older refresh token is reuse and revokes that session alone', async () => {
    const first = await t.api.signUp();
    const other = await t.api.signIn(first.credentials);
    const second = (await t.api.refresh(first.refreshToken)).body;
    await t.api.refresh(second.refreshToken);
    expect(await t.api.logoutAll(first.refreshToken)).toMatchObject({
      status: 401,
      body: { code: 'refresh_token_reused' },
    });
    expect(await t.api.me(second.accessToken)).toMatchObject(REVOKED);
    expect((await t.api.me(other.accessToken)).status).toBe(200);
  });

  it('Two simultaneous logout-alls of one user count each revoked session once between them', async () => {
    const first = await t.api.signUp();
    const second = await t.api.signIn(first.credentials);
    for (let i = 0; i < 8; i++) await t.api.signIn(first.credentials);
    const answers = await Promise.all([first, second].map(({ refreshToken }) => t.api.logoutAll(refreshToken)));
    const counts = answers.filter(({ status }) => status === 200).map(({ body }) => body.revoked as number);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(10);
  });
});

describe('logout-others', () => {
  it('A logout-others revokes every session of the user but that of the caller', async () => {
    const first = await t.api.signUp();
    const second = await t.api.signIn(first.credentials);
    expect(await t.api.logoutOthers(second.accessToken)).toMatchObject({ status: 200, body: { revoked: 1 } });
    expect(await t.api.me(first.accessToken)).toMatchObject(REVOKED);
    expect((await t.api.me(second.accessToken)).status).toBe(200);
    expect(await revocationsOf(first.session.id)).toMatchObject([{ reason: 'logout_others', events: 1 }]);
    expect(await t.api.logoutOthers(second.accessToken)).toMatchObject({ status: 200, body: { revoked: 0 } });
  });
});

describe('the audit trail', () => {
  it('The audit trail refuses to be changed or deleted, even by superusers', async () => {
    await t.api.signUp();
    for (const sql of [
      `UPDATE audit_events SET reason = 'nothing'`,
      'DELETE FROM audit_events',
      'TRUNCATE audit_events',
      `SET session_replication_role = replica; DELETE FROM audit_events`,
    ]) {
      await expect(t.database.query(sql)).rejects.toThrow('audit_events is append-only');
    }
    await t.database.query('RESET session_replication_role');
  });
});

it('A logout-all waits for a refresh that began before its session expired, and revokes what came of it', async () => {
  const { credentials, refreshToken, session } = await t.api.signUp();
  const other = await t.api.signIn(credentials);
  await expireIdleIn(t.database, session.id, '3 seconds');
  const rows = await holdSessions(t.database, [session.id]);

  const refreshing = t.api.refresh(refreshToken);
  await rows.waiting('', 1);
  await until('its session expires', async () => {
    const [row] = await t.database.query<{ over: boolean }>(
      'SELECT idle_expires_at < now() AS over FROM sessions WHERE id = $1',
      [session.id],
    );
    return row!.over;
  });
  const ending = t.api.logoutAll(other.refreshToken);
  await rows.waiting('', 2);
  await rows.release();

  const refreshed = await refreshing;
  expect((await ending).body).toEqual({ revoked: refreshed.status === 200 ? 2 : 1 });
  if (refreshed.status === 200) {
    expect((await t.api.me(refreshed.body.accessToken)).body.code).toBe('session_revoked');
    expect((await t.api.refresh(refreshed.body.refreshToken)).status).toBe(401);
  }
});
