import { cookieOf, PASSWORD, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { asIfRevokedEarlier, expireIdle } from '../support/time.js';

const t = useApp({}, { hasMissingRows: true });

const history = (bearer: string, query = '') => t.api.call('GET', `/sessions/history${query}`, { bearer });
const remove = (bearer: string, password: string) =>
  t.api.call('POST', '/auth/me/delete', { bearer, body: { password } });

describe('the history of sessions', () => {
  it('The history of sessions shows what ended, when, why and by whom, with the newest end first', async () => {
    const me = await t.api.signUp();
    const [phone, tablet, old, stolen] = await Promise.all([1, 2, 3, 4].map(() => t.api.signIn(me.credentials)));
    await t.api.logout(phone!.refreshToken);
    await t.api.endSession(me.accessToken, tablet!.session.id);
    await expireIdle(t.database, old!.session.id, '1 day');
    const second = (await t.api.refresh(stolen!.refreshToken)).body;
    await t.api.refresh(second.refreshToken);
    await t.api.refresh(stolen!.refreshToken);

    const { status, body } = await history(me.accessToken);
    expect(status).toBe(200);
    expect(body.items.map(({ id, reason, endedBy }: any) => [id, reason, endedBy])).toEqual([
      [stolen!.session.id, 'refresh_token_reuse', 'system'],
      [tablet!.session.id, 'revoked_by_user', 'self'],
      [phone!.session.id, 'logout', 'self'],
      [old!.session.id, 'expired', 'system'],
    ]);
    for (const { endedAt, current } of body.items) {
      expect(new Date(endedAt).toISOString()).toBe(endedAt);
      expect(current).toBe(false);
    }
    expect(body.nextCursor).toBeNull();
  });

  it('The history of sessions comes in pages without gaps or repetitions and shows only sessions of the caller', async () => {
    const me = await t.api.signUp();
    for (let i = 0; i < 5; i++) await t.api.logout((await t.api.signIn(me.credentials)).refreshToken);
    const all = (await history(me.accessToken)).body.items;
    expect(all).toHaveLength(5);
    const paged = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body }: { body: any } = await history(me.accessToken, `?limit=2${cursor && `&cursor=${cursor}`}`);
      paged.push(...body.items);
      cursor = body.nextCursor;
    }
    expect(paged).toEqual(all);
    expect((await history((await t.api.signUp()).accessToken)).body.items).toEqual([]);
    expect((await history(me.accessToken, '?cursor=x')).status).toBe(400);
  });

  it('The history of sessions leaves out what ended more than 90 days ago', async () => {
    const me = await t.api.signUp();
    const { refreshToken, session } = await t.api.signIn(me.credentials);
    await t.api.logout(refreshToken);
    const later = await asIfRevokedEarlier(t.database, session.id, '91 days', () => history(me.accessToken));
    expect(later.body.items).toEqual([]);
  });
});

it('An account export contains the caller, their sessions and their events, and events of no other user', async () => {
  const me = await t.api.signUp({ name: 'Ada Lovelace', deviceName: 'Work laptop' });
  await t.api.logout((await t.api.signIn(me.credentials)).refreshToken);
  const { status, body } = await t.api.call('GET', '/auth/me/export', { bearer: me.accessToken });
  expect(status).toBe(200);
  expect(body.user).toEqual({ ...me.user, language: null });
  expect(body.sessions).toHaveLength(2);
  expect(body.sessions[0]).toMatchObject({ current: true, device: { name: 'Work laptop' }, tokenDelivery: 'body' });
  expect(body.sessions[1]).toMatchObject({ revokedReason: 'logout' });
  const types = body.events.map(({ type }: any) => type);
  expect(types).toEqual(expect.arrayContaining(['login_succeeded', 'session_revoked', 'account_exported']));
  expect(body.events.every(({ userId }: any) => userId === me.user.id)).toBe(true);
});

describe('deleting an account', () => {
  it('Deleting an account ends its sessions at once, removes all but the audit trail and frees its address', async () => {
    const me = await t.api.signUp({ name: 'Ada Lovelace' });
    const phone = await t.api.signIn(me.credentials);
    const stranger = await t.api.signUp();
    expect((await remove(me.accessToken, PASSWORD)).status).toBe(204);

    for (const { accessToken, refreshToken } of [me, phone]) {
      expect((await t.api.me(accessToken)).body.code).toBe('session_revoked');
      expect((await t.api.refresh(refreshToken)).status).toBe(401);
    }
    expect((await t.api.login(me.credentials)).status).toBe(401);
    expect((await t.api.me(stranger.accessToken)).status).toBe(200);
    for (const table of ['sessions', 'known_devices', 'mailed_tokens']) {
      expect(await t.database.query(`SELECT FROM ${table} WHERE user_id = $1`, [me.user.id])).toEqual([]);
    }
    expect(await t.database.query('SELECT FROM users WHERE id = $1', [me.user.id])).toEqual([]);
    const ended = await t.database.query(
      `SELECT FROM audit_events WHERE user_id = $1 AND type = 'session_revoked' AND reason = 'account_deleted'`,
      [me.user.id],
    );
    expect(ended).toHaveLength(2);

    // The address is free again, for an account of another id.
    const again = await t.api.register(me.credentials);
    expect(again.status).toBe(201);
    expect(again.body.user.id).not.toBe(me.user.id);
    expect((await t.api.me(me.accessToken)).status).toBe(401);
  });

  it('A refresh cookie of a deleted account is refused with 401 and cleared', async () => {
    const credentials = someone();
    const registered = await t.api.register({ ...credentials, tokenDelivery: 'cookie' });
    const cookie = cookieOf(registered);
    await remove(registered.body.accessToken, credentials.password);
    const refused = await t.api.refreshByCookie(cookie);
    expect([refused.status, refused.body.code]).toEqual([401, 'invalid_refresh_token']);
    expect(refused.headers.getSetCookie()[0]).toMatch(/^refresh_token=;/);
  });

  it('Deleting an account with a wrong password answers 403, without one 400, and changes nothing', async () => {
    const me = await t.api.signUp();
    const { status, body } = await remove(me.accessToken, 'not the password');
    expect([status, body.code]).toEqual([403, 'invalid_credentials']);
    expect((await t.api.call('POST', '/auth/me/delete', { bearer: me.accessToken })).status).toBe(400);
    expect((await t.api.me(me.accessToken)).status).toBe(200);
  });

  it('A login that races the deletion of its account leaves no session', async () => {
    for (let round = 0; round < 10; round++) {
      const me = await t.api.signUp();
      const [removed, ...logins] = await Promise.all([
        remove(me.accessToken, PASSWORD),
        ...[1, 2, 3].map(() => t.api.login(me.credentials)),
      ]);
      expect(removed.status).toBe(204);
      for (const { status, body } of logins) {
        expect([200, 401]).toContain(status);
        if (status === 200) expect((await t.api.me(body.accessToken)).status).toBe(401);
      }
    }
  }, 30_000);

  it('A request to delete an account without an access token is refused with 401', async () => {
    expect((await t.api.call('POST', '/auth/me/delete', { body: { password: someone().password } })).status).toBe(401);
  });
});
