import type { DataSource } from 'typeorm';
import { Retention } from '../../src/database/retention.js';
import { DATA_SOURCE_TOKEN } from '../../src/database/data-source.js';
import { PASSWORD } from '../support/api.js';
import { useApp } from '../support/app.js';

const POOL_SIZE = 2;
const t = useApp({ DATABASE_POOL_SIZE: String(POOL_SIZE) }, { hasMissingRows: true });

const USERS = 2000;
const SESSIONS_EACH = 10;
const OLD_LINES = 20_000;
const OLD_SESSIONS = 5000;
const MANY_SESSIONS = 4000;
// Of the audit trail: the running month, and what was there before. Parts that are empty may well be read whole.
let bigParts: { oid: number }[];

beforeAll(async () => {
  await t.database.query(
    `WITH owners AS (
       INSERT INTO users (email, password_hash)
       SELECT 'user-' || i || '@example.com', 'x' FROM generate_series(1, ${USERS}) AS i RETURNING id
     ), opened AS (
       INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, expires_at, idle_expires_at)
       SELECT gen_random_uuid(), id, sha256((id::text || n)::bytea), 'body', '', '192.0.2.1', ends, ends
       FROM owners, generate_series(1, ${SESSIONS_EACH}) AS n,
         LATERAL (SELECT now() + make_interval(days => n) AS ends) AS life
       RETURNING id, user_id
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id)
     SELECT 'session_created', 'success', user_id, id FROM opened`,
  );
  // Much is over: so it was when the planner counted, and is not any more once it is deleted.
  await t.database.query(
    `INSERT INTO audit_events (type, outcome, at)
     SELECT 'login_failed', 'failure', now() - interval '400 days' + make_interval(secs => i)
     FROM generate_series(1, ${OLD_LINES}) AS i`,
  );
  await t.database.query(
    `INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, expires_at, idle_expires_at)
     SELECT gen_random_uuid(), users.id, sha256((users.id::text || i)::bytea), 'body', '', '192.0.2.1', ends, ends
     FROM (SELECT id FROM users LIMIT 1) AS users, generate_series(1, ${OLD_SESSIONS}) AS i,
       LATERAL (SELECT now() - interval '200 days' + make_interval(secs => i) AS ends) AS life`,
  );
  await t.database.query('ANALYZE users, sessions, audit_events');
  bigParts = await t.database.query<{ oid: number }>(
    `SELECT oid FROM pg_class JOIN pg_inherits ON inhrelid = oid
     WHERE inhparent = 'audit_events'::regclass AND reltuples > 1000`,
  );
  expect(bigParts).toHaveLength(2);
}, 60_000);

/** How often a table is read from its first row to its last while something is asked. */
async function wholeReads(table: string, ask: () => Promise<unknown>): Promise<number> {
  const before = await wholeReadsSoFar(table);
  await ask();
  return (await wholeReadsSoFar(table)) - before;
}

async function wholeReadsSoFar(table: string): Promise<number> {
  // Every connection tells what it has counted; they sleep so that none of them does it twice.
  const dataSource = t.app.get<DataSource>(DATA_SOURCE_TOKEN);
  await Promise.all(
    Array.from({ length: POOL_SIZE }, () => dataSource.query('SELECT pg_stat_force_next_flush(), pg_sleep(0.1)')),
  );
  const [row] = await t.database.query<{ count: number }>(
    'SELECT sum(seq_scan)::integer AS count FROM pg_stat_user_tables WHERE relname = $1 OR relid = ANY($2)',
    [table, table === 'audit_events' ? bigParts.map(({ oid }) => oid) : []],
  );
  return row!.count;
}

const succeeds = async (request: Promise<{ status: number }>) => expect((await request).status).toBeLessThan(300);

it('History, list, export, logout, refresh and deletion find the rows of a user by an index in big tables', async () => {
  const { accessToken, refreshToken } = await t.api.signUp();
  const asked: Record<string, () => Promise<unknown>> = {
    history: () => succeeds(t.api.call('GET', '/sessions/history', { bearer: accessToken })),
    list: () => succeeds(t.api.sessions(accessToken)),
    export: () => succeeds(t.api.call('GET', '/auth/me/export', { bearer: accessToken })),
    'logout of all others': () => succeeds(t.api.logoutOthers(accessToken)),
    refresh: () => succeeds(t.api.refresh(refreshToken)),
    deletion: () =>
      succeeds(t.api.call('POST', '/auth/me/delete', { bearer: accessToken, body: { password: PASSWORD } })),
  };
  for (const [what, ask] of Object.entries(asked)) {
    for (const table of ['sessions', 'audit_events']) {
      // Asked for the other table again, where it can be.
      const reads = what === 'deletion' && table === 'audit_events' ? 0 : await wholeReads(table, ask);
      expect([what, table, reads]).toEqual([what, table, 0]);
    }
  }
});

it('A user with thousands of devices logs them out without a big table being read whole', async () => {
  const { accessToken, user } = await t.api.signUp();
  await t.database.query(
    `WITH opened AS (
       INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, expires_at, idle_expires_at)
       SELECT gen_random_uuid(), $1, sha256(i::text::bytea), 'body', '', '192.0.2.1', ends, ends
       FROM generate_series(1, ${MANY_SESSIONS}) AS i, LATERAL (SELECT now() + interval '1 day' AS ends) AS life
       RETURNING id, user_id
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id)
     SELECT 'session_created', 'success', user_id, id FROM opened`,
    [user.id],
  );
  await t.database.query('ANALYZE sessions');
  let revoked = 0;
  const logOut = async () => (revoked = (await t.api.logoutOthers(accessToken)).body.revoked);
  expect(await wholeReads('sessions', logOut)).toBe(0);
  expect(revoked).toBe(MANY_SESSIONS);
});

it('The newest audit events, those of one user, and those of a rare type are found by an index in a big table', async () => {
  const { accessToken, user } = await t.api.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
  const search = (query: string) => () => succeeds(t.api.call('GET', `/admin/audit${query}`, { bearer: accessToken }));
  expect(await wholeReads('audit_events', search(''))).toBe(0);
  expect(await wholeReads('audit_events', search(`?userId=${user.id}`))).toBe(0);
  // Of which there are few, and none.
  expect(await wholeReads('audit_events', search('?type=role_granted'))).toBe(0);
  expect(await wholeReads('audit_events', search('?type=signing_key_revoked'))).toBe(0);
});

it('Staff find accounts, newest or by how their address begins, and other admins by an index in a big table', async () => {
  const { accessToken, user } = await t.api.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
  const call = (method: string, path: string) => t.api.call(method, path, { bearer: accessToken });
  const list = (query: string) => async () => {
    const { status, body } = await call('GET', `/admin/users?limit=20&${query}`);
    expect(status).toBe(200);
    await succeeds(call('GET', `/admin/users?limit=20&${query}&cursor=${body.nextCursor}`));
  };
  expect(await wholeReads('users', list(''))).toBe(0);
  // All of them begin so, one in two, and a few of those that are neither the newest nor the oldest.
  for (const prefix of ['user-', 'user-1', 'user-12']) {
    expect([prefix, await wholeReads('users', list(`email=${prefix}`))]).toEqual([prefix, 0]);
  }
  expect(await wholeReads('users', () => succeeds(call('GET', '/admin/users?email=nobody')))).toBe(0);
  const { user: other } = await t.api.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [other.id]);
  expect(await wholeReads('users', () => succeeds(call('POST', `/admin/users/${other.id}/disable`)))).toBe(0);
});

it('The cleanup finds the rows it deletes by an index in big tables, also when none are left', async () => {
  let deleted = 0;
  const sweep = async () => (deleted = await t.app.get(Retention).deleteDue());
  expect(await wholeReads('audit_events', sweep)).toBe(0);
  expect(deleted).toBe(OLD_LINES + OLD_SESSIONS);
  for (const table of ['audit_events', 'sessions']) {
    expect([table, await wholeReads(table, sweep), deleted]).toEqual([table, 0, 0]);
  }
});

it('Without their indexes the tables of sessions, audit events and accounts are read whole', async () => {
  const { accessToken, user } = await t.api.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
  await t.database.query(
    `ALTER TABLE audit_events DROP CONSTRAINT audit_events_pkey;
    DROP INDEX sessions_user_id_revoked_at_idx, users_created_at_id_idx, users_email_key, users_email_bytes_idx,
      audit_events_rare_type_idx`,
  );
  const asked = [
    ['sessions', '/sessions/history', 1],
    ['audit_events', '/admin/audit', bigParts.length],
    ['audit_events', '/admin/audit?type=role_granted', bigParts.length],
    ['users', '/admin/users', 1],
    ['users', '/admin/users?email=user-12', 1],
  ] as const;
  for (const [table, path, expected] of asked) {
    const reads = await wholeReads(table, () => succeeds(t.api.call('GET', path, { bearer: accessToken })));
    // More where several processes share the work.
    expect([table, reads >= expected]).toEqual([table, true]);
  }
});
