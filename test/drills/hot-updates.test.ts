import { createHash, randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { type TestApp, useApp } from '../support/app.js';
import { forgeRefreshToken } from '../support/forge.js';
import { until } from '../support/until.js';

const roomy = useApp({}, { hasMissingRows: true });
const packed = useApp({}, { hasMissingRows: true });

const SESSIONS = 1000;

/** Sessions as close together as the table packs them, each with a refresh token that is known here. */
async function packSessions({ database }: TestApp): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    `WITH owners AS (
       INSERT INTO users (email, password_hash)
       SELECT 'user-' || i || '@example.com', 'x' FROM generate_series(1, ${SESSIONS}) AS i RETURNING id
     ), opened AS (
     INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, expires_at, idle_expires_at)
     SELECT gen_random_uuid(), id, sha256(uuid_send(id)), 'body',
       'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0', '192.0.2.1',
       now() + interval '9 days', now() + interval '9 days'
     FROM owners RETURNING id, user_id
     ), recorded AS (
       INSERT INTO audit_events (type, outcome, user_id, session_id)
       SELECT 'session_created', 'success', user_id, id FROM opened
     )
     SELECT id FROM opened`,
  );
  const tokens = rows.map(({ id }) =>
    forgeRefreshToken({ sessionId: id, generation: 1, nonce: randomBytes(32).toString('base64url') }),
  );
  await database.query(
    `UPDATE sessions s SET refresh_token_hash = t.hash FROM unnest($1::uuid[], $2::bytea[]) AS t (id, hash) WHERE s.id = t.id`,
    [rows.map(({ id }) => id), tokens.map((token) => createHash('sha256').update(token).digest())],
  );
  // Rewritten, so that every page is filled as far as it may be.
  await database.query('VACUUM FULL sessions');
  return tokens;
}

/** Rows changed so far, and those of them for which no index had to be written. Connections report them after a while. */
const changesOnceThereAre = ({ database }: TestApp, count: number) =>
  until(`${count} changes are reported`, async () => {
    const [row] = await database.query<{ updated: number; hot: number }>(
      `SELECT n_tup_upd::integer AS updated, n_tup_hot_upd::integer AS hot
       FROM pg_stat_user_tables WHERE relname = 'sessions'`,
    );
    return row!.updated >= count && row;
  });

/** Of the rotations of all sessions, one after another, the share that wrote to no index. */
async function hotShare(t: TestApp): Promise<number> {
  const tokens = await packSessions(t);
  const before = await changesOnceThereAre(t, SESSIONS);
  // As a backup does: what it may still read is not removed, so no room becomes free meanwhile.
  const reader = new Client({ connectionString: t.database.adminUrl });
  await reader.connect();
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM sessions LIMIT 1');
  const rotate = async (): Promise<void> => {
    for (let token = tokens.pop(); token !== undefined; token = tokens.pop()) {
      expect((await t.api.refresh(token)).status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: 4 }, rotate));
  await reader.end();
  const after = await changesOnceThereAre(t, 2 * SESSIONS);
  return (after.hot - before.hot) / SESSIONS;
}

it('While a long transaction keeps old rows, rotations write to no index as long as their page has room', async () => {
  expect(await hotShare(roomy)).toBeGreaterThan(0.15);
}, 120_000);

it('On pages without that room nearly all of them do', async () => {
  await packed.database.query('ALTER TABLE sessions RESET (fillfactor)');
  expect(await hotShare(packed)).toBeLessThan(0.05);
}, 120_000);
