import { someone } from '../support/api.js';
import { createDatabase } from '../support/database.js';
import { useApp } from '../support/app.js';
import { startInstance } from '../support/instance.js';
import { age } from '../support/time.js';
import { until } from '../support/until.js';

const t = useApp();
const AGENT = { 'user-agent': 'Audit/1.0', 'x-request-id': 'request-of-the-audit' };

const trailOf = (sessionId: string, type: string) =>
  t.database.query(
    `SELECT outcome, user_id, actor_id, reason, ip, user_agent, request_id FROM audit_events
     WHERE session_id = $1 AND type = $2`,
    [sessionId, type],
  );

it('The audit trail records each login and the session it opens, with user, address, agent and request', async () => {
  const { credentials, user } = await t.api.signUp();
  const { body } = await t.api.login(credentials, { headers: AGENT });
  for (const type of ['login_succeeded', 'session_created']) {
    expect(await trailOf(body.session.id, type)).toEqual([
      {
        outcome: 'success',
        user_id: user.id,
        actor_id: user.id,
        reason: null,
        ip: '127.0.0.1',
        user_agent: 'Audit/1.0',
        request_id: 'request-of-the-audit',
      },
    ]);
  }
});

it('The audit trail records the first refresh of each day', async () => {
  const { refreshToken, session } = await t.api.signUp();
  let token = refreshToken;
  const refresh = async () => {
    const { status, body } = await t.api.refresh(token);
    expect(status).toBe(200);
    token = body.refreshToken;
  };
  for (let i = 0; i < 3; i++) await refresh();
  expect(await trailOf(session.id, 'session_refreshed')).toHaveLength(1);
  await age(t.database, session.id, 'rotated_at', '1 day');
  for (let i = 0; i < 3; i++) await refresh();
  expect(await trailOf(session.id, 'session_refreshed')).toHaveLength(2);
});

it('The audit trail records reuse, and that the service revoked the session for it', async () => {
  const { refreshToken, session } = await t.api.signUp();
  const { body } = await t.api.refresh(refreshToken);
  await t.api.refresh(body.refreshToken);
  await t.api.call('POST', '/auth/refresh', { body: { refreshToken }, headers: AGENT });

  expect(await trailOf(session.id, 'refresh_token_reused')).toEqual([
    expect.objectContaining({ outcome: 'failure', request_id: 'request-of-the-audit', actor_id: null }),
  ]);
  expect(await trailOf(session.id, 'session_revoked')).toEqual([
    expect.objectContaining({ reason: 'refresh_token_reuse', actor_id: null, user_agent: 'Audit/1.0' }),
  ]);
});

it("The audit trail records the use of an ended session's tokens once, however often they are used", async () => {
  const { accessToken, refreshToken, session, user } = await t.api.signUp();
  await t.api.endSession(accessToken, session.id);
  expect(await trailOf(session.id, 'session_revoked')).toEqual([
    expect.objectContaining({ reason: 'revoked_by_user', actor_id: user.id }),
  ]);

  await t.api.me(accessToken, AGENT);
  await until('the use is noticed', async () => (await trailOf(session.id, 'ended_session_used')).length === 1);
  expect(await trailOf(session.id, 'ended_session_used')).toEqual([
    expect.objectContaining({ outcome: 'failure', user_id: user.id, user_agent: 'Audit/1.0' }),
  ]);

  await t.api.me(accessToken);
  await t.api.refresh(refreshToken);
  // By when a later one has been written, so has every earlier one.
  const other = await t.api.signUp();
  await t.api.logout(other.refreshToken);
  await t.api.refresh(other.refreshToken);
  await until('that one too', async () => (await trailOf(other.session.id, 'ended_session_used')).length === 1);
  expect(await trailOf(session.id, 'ended_session_used')).toHaveLength(1);
});

it('The audit trail records the start and the stop of the service, and the key that its first start makes', async () => {
  const database = await createDatabase();
  const typesSoFar = async () =>
    (await database.query<{ type: string }>('SELECT type FROM audit_events ORDER BY at')).map(({ type }) => type);
  const instance = await startInstance({ env: { DATABASE_URL: database.url } });
  expect(await typesSoFar()).toEqual(['signing_key_rotated', 'service_started']);
  expect(await instance.kill('SIGTERM')).toBe(0);
  expect(await typesSoFar()).toEqual(['signing_key_rotated', 'service_started', 'service_stopped']);
  await database.drop();
});

it('The audit trail contains no password, token or hash', async () => {
  const { credentials, accessToken, refreshToken } = await t.api.signUp();
  const next = await t.api.refresh(refreshToken);
  await t.api.login({ ...credentials, password: 'another password 1' });
  await t.api.login({ email: someone().email, password: 'another password 2' });
  await t.api.logout(next.body.refreshToken);
  const [row] = await t.database.query<{ trail: string }>(
    `SELECT string_agg(e::text, E'\\n') AS trail FROM audit_events e`,
  );
  const [user] = await t.database.query<{ password_hash: string }>('SELECT password_hash FROM users WHERE email = $1', [
    credentials.email,
  ]);
  for (const secret of [
    credentials.password,
    'another password',
    accessToken,
    refreshToken,
    next.body.accessToken,
    next.body.refreshToken,
    user!.password_hash,
  ]) {
    expect(row!.trail).not.toContain(secret);
  }
});
