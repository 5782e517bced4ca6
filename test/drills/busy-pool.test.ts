import { Client } from 'pg';
import { useApp } from '../support/app.js';
import { until } from '../support/until.js';

const POOL_SIZE = 2;
const t = useApp(
  {
    DATABASE_POOL_SIZE: String(POOL_SIZE),
    DATABASE_CONNECT_TIMEOUT_MS: '300',
    DATABASE_STATEMENT_TIMEOUT_MS: '60000',
  },
  { hasFaults: true },
);

it('While every pooled connection is busy, session checks and readiness still answer, and other requests get 503', async () => {
  const account = await t.api.signUp();
  const leaving = await t.api.signIn(account.credentials);
  const stuck = await Promise.all(Array.from({ length: POOL_SIZE }, () => t.api.signUp()));
  const holder = new Client({ connectionString: t.database.url });
  holder.on('error', () => undefined);
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM sessions WHERE id = ANY($1::uuid[]) FOR UPDATE', [
    stuck.map(({ session }) => session.id),
  ]);
  const refreshes = stuck.map(({ refreshToken }) => t.api.refresh(refreshToken));
  await until('every connection waits for the rows', async () => {
    const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    return (await t.database.query(sql)).length === POOL_SIZE;
  });

  const answers = await Promise.all(Array.from({ length: 50 }, () => t.api.me(account.accessToken)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect((await t.api.call('GET', '/health/ready')).status).toBe(200);
  // As strict as ever.
  expect((await t.api.me(leaving.accessToken)).status).toBe(200);
  await t.database.query(
    `WITH ended AS (
       UPDATE sessions SET revoked_at = now(), revoked_reason = 'logout', revoked_by = user_id WHERE id = $1 RETURNING *
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason)
     SELECT 'session_revoked', 'success', user_id, id, revoked_by, revoked_reason FROM ended`,
    [leaving.session.id],
  );
  expect((await t.api.me(leaving.accessToken)).body.code).toBe('session_revoked');
  // Nothing else gets a connection.
  expect((await t.api.sessions(account.accessToken)).status).toBe(503);
  expect((await t.api.login(account.credentials)).status).toBe(503);

  await holder.query('ROLLBACK');
  await holder.end();
  expect((await Promise.all(refreshes)).map(({ status }) => status)).toEqual(stuck.map(() => 200));
  expect((await t.api.sessions(account.accessToken)).status).toBe(200);
});
