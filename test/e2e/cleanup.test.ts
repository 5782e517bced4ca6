import { Retention } from '../../src/database/retention.js';
import { someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { holdSessions } from '../support/held-rows.js';
import { expire } from '../support/time.js';

const t = useApp({}, { hasMissingRows: true });
// A million takes a minute or two: SWEPT_ROWS=1000000 npm test -- cleanup
const DEAD_ROWS = Number(process.env['SWEPT_ROWS'] ?? 20_000);

const sweep = () => t.app.get(Retention).deleteDue();

async function exists(id: string): Promise<boolean> {
  return (await t.database.query('SELECT FROM sessions WHERE id = $1', [id])).length === 1;
}

it('The cleanup deletes a session 90 days after its absolute end, and not before', async () => {
  const [over, kept, revoked] = await Promise.all([t.api.signUp(), t.api.signUp(), t.api.signUp()]);
  await t.api.logout(revoked.refreshToken);
  await expire(t.database, over.session.id, '90 days 1 second');
  await expire(t.database, kept.session.id, '89 days 23 hours');
  await sweep();
  expect(await Promise.all([over, kept, revoked].map(({ session }) => exists(session.id)))).toEqual([
    false,
    true,
    true,
  ]);
  // Its access token was ours, so there was a session once.
  expect((await t.api.me(over.accessToken)).body.code).toBe('session_revoked');
});

it('A spent refresh token is still recognised as reuse after the cleanup', async () => {
  const { refreshToken } = await t.api.signUp();
  const { body } = await t.api.refresh(refreshToken);
  await t.api.refresh(body.refreshToken);
  await t.api.refresh(refreshToken);
  await sweep();
  expect((await t.api.refresh(refreshToken)).body.code).toBe('refresh_token_reused');
});

it('The cleanup deletes audit events after 365 days, and other attempts to delete them are refused', async () => {
  const { user } = await t.api.signUp();
  for (const days of [366, 364, 29]) {
    await t.database.query(
      `INSERT INTO audit_events (type, outcome, user_id, reason, at)
       VALUES ('login_failed', 'failure', $1, $2::integer || ' days', now() - make_interval(days => $2::integer))`,
      [user.id, days],
    );
  }
  for (const [setting, reason] of [
    ['', '366 days'],
    ['365', '364 days'],
    ['0', '29 days'],
  ]) {
    const asked = `SET latchkey.audit_retention_days = '${setting}'; DELETE FROM audit_events WHERE reason = '${reason}'`;
    await expect(t.database.query(asked)).rejects.toThrow('append-only');
  }
  await sweep();
  const left = await t.database.query(
    `SELECT reason FROM audit_events WHERE user_id = $1 AND reason LIKE '%days' ORDER BY at`,
    [user.id],
  );
  expect(left).toEqual([{ reason: '364 days' }, { reason: '29 days' }]);
});

it('The cleanup deletes an incident as long after its end as lines of the audit trail, and none that is open', async () => {
  await t.database.query(
    `INSERT INTO incidents (at, reason, finished_at, user_ids)
     SELECT now() - interval '400 days', what, now() - make_interval(days => days), ARRAY[gen_random_uuid()]
     FROM (VALUES ('long over', 366), ('over', 364), ('open', NULL)) AS v (what, days)`,
  );
  await sweep();
  const left = await t.database.query<{ reason: string }>('SELECT reason FROM incidents ORDER BY reason');
  expect(left.map(({ reason }) => reason)).toEqual(['open', 'over']);
});

it('The cleanup deletes rate limits whose window ended more than an hour ago, and keeps newer ones', async () => {
  await t.database.query(
    `INSERT INTO rate_limits (key, points, expire) VALUES
       ('old', 1, 1000 * extract(epoch FROM now() - interval '2 hours')),
       ('new', 1, 1000 * extract(epoch FROM now() - interval '10 minutes'))`,
  );
  await sweep();
  expect(await t.database.query(`SELECT key FROM rate_limits WHERE key IN ('old', 'new')`)).toEqual([{ key: 'new' }]);
});

it('The cleanup handles each table by itself and logs once which rights its database role lacks', async () => {
  const { user, session } = await t.api.signUp();
  const linesLeft = () => t.database.query(`SELECT FROM audit_events WHERE user_id = $1 AND reason = 'old'`, [user.id]);
  const complaints = () =>
    t
      .output()
      .split('\n')
      .filter((line) => line.includes('What is over in'));
  await t.database.query(
    `INSERT INTO audit_events (type, outcome, user_id, reason, at)
     VALUES ('login_failed', 'failure', $1, 'old', now() - interval '400 days')`,
    [user.id],
  );
  await expire(t.database, session.id, '91 days');

  const functions = 'audit_events_drop_part, audit_events_delete_rows';
  await t.database.query(`REVOKE EXECUTE ON FUNCTION ${functions} FROM ${process.env['TEST_RUNTIME']}`);
  await sweep();
  await sweep();
  expect(await t.database.query('SELECT FROM sessions WHERE id = $1', [session.id])).toEqual([]);
  expect(await linesLeft()).toHaveLength(1);
  expect(complaints()).toEqual([
    expect.stringContaining(
      'audit_events stays: that takes the rights to EXECUTE audit_events_drop_part and audit_events_delete_rows',
    ),
  ]);

  await t.database.query(`GRANT EXECUTE ON FUNCTION ${functions} TO ${process.env['TEST_RUNTIME']}`);
  await sweep();
  expect(await linesLeft()).toEqual([]);
  expect(complaints()).toHaveLength(1);
});

it('The cleanup of many rows lets logins and refreshes through and skips rows that others have locked', async () => {
  const { credentials, user, refreshToken } = await t.api.signUp();
  await t.database.query(
    `INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, created_at, expires_at, idle_expires_at)
     SELECT gen_random_uuid(), $1, sha256(i::text::bytea), 'body', 'Old/1.0', '192.0.2.1',
       now() - interval '200 days', now() - interval '100 days', now() - interval '150 days'
     FROM generate_series(1, $2::integer) AS i`,
    [user.id, DEAD_ROWS],
  );
  const some = await t.database.query<{ id: string }>(`SELECT id FROM sessions WHERE user_agent = 'Old/1.0' LIMIT 10`);
  const ids = some.map(({ id }) => id);
  const held = await holdSessions(t.database, ids);

  let isSweeping = true;
  const sweeping = Promise.all([sweep(), sweep()]).finally(() => (isSweeping = false));
  const statuses = new Set<number>();
  let token = refreshToken;
  while (isSweeping) {
    const { status, body } = await t.api.refresh(token);
    token = body.refreshToken;
    statuses.add(status);
    statuses.add((await t.api.login(credentials)).status);
    statuses.add((await t.api.register(someone())).status);
  }
  const swept = await sweeping;
  expect([...statuses].toSorted((x, y) => x - y)).toEqual([200, 201]);
  // Two at once share the work, and neither waits for the other or for the held rows.
  expect(swept[0] + swept[1]).toBe(DEAD_ROWS - ids.length);

  await held.release();
  expect(await sweep()).toBe(ids.length);
}, 600_000);
