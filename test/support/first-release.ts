import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { AppConfig } from '../../src/config/config.js';
import type { TestDatabase } from './database.js';
import { forgeRefreshToken } from './forge.js';

// The first release, as its database saw it: the schema of the first migration alone, and these statements.

/** A session that the first release opened. */
export interface OldSession {
  readonly id: string;
  readonly userId: string;
  readonly refreshToken: string;
}

const SESSION = `(id, user_id, refresh_token_hash, delivery, ip, user_agent, expires_at, idle_expires_at)`;
const ACTIVE = `s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now()`;
const END = (which: string) => `
  doomed AS (
    SELECT s.id FROM sessions s WHERE ${which} AND ${ACTIVE} ORDER BY s.id FOR UPDATE OF s
  ), ended AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $1, revoked_by = s.user_id
    FROM doomed WHERE s.id = doomed.id RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $1, '192.0.2.1', '', 'request' FROM ended
  )`;

const hashOf = (token: string) => createHash('sha256').update(token).digest();

/** So many users with ten sessions each, which are open, revoked or expired, and their lines. Returns those open. */
export async function seedFirstRelease(database: TestDatabase, users: number): Promise<OldSession[]> {
  const rows = await database.query<{ id: string; user_id: string }>(
    `WITH owners AS (
       INSERT INTO users (email, password_hash) SELECT gen_random_uuid() || '@example.com', '!' FROM generate_series(1, $1)
       RETURNING id
     ), opened AS (
       INSERT INTO sessions ${SESSION.replace(')', ', created_at, revoked_at, revoked_by, revoked_reason)')}
       SELECT gen_random_uuid(), id, sha256(uuid_send(gen_random_uuid())), 'body', '192.0.2.1', '',
         at + interval '30 days', at + interval '30 days', at, CASE WHEN n % 3 = 0 THEN now() END, CASE WHEN n % 3 = 0 THEN id END,
         CASE WHEN n % 3 = 0 THEN 'logout' END
       FROM owners, generate_series(1, 10) n, LATERAL (SELECT now() - make_interval(days => n * 5) AS at) times
       RETURNING id, user_id, created_at, revoked_at, expires_at
     ), recorded AS (
       INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, at)
       SELECT 'session_created', 'success', user_id, id, user_id, NULL, created_at FROM opened
       UNION ALL
       SELECT 'session_revoked', 'success', user_id, id, user_id, 'logout', revoked_at FROM opened WHERE revoked_at IS NOT NULL
     )
     SELECT id, user_id FROM opened WHERE revoked_at IS NULL AND expires_at > now()`,
    [users],
  );
  const open = rows.map(({ id, user_id: userId }) => ({ id, userId, refreshToken: tokenOf(id) }));
  await database.query(
    `UPDATE sessions s SET refresh_token_hash = t.hash FROM unnest($1::uuid[], $2::bytea[]) t (id, hash) WHERE s.id = t.id`,
    [open.map(({ id }) => id), open.map(({ refreshToken }) => hashOf(refreshToken))],
  );
  return open;
}

const tokenOf = (sessionId: string): string =>
  forgeRefreshToken({ sessionId, generation: 1, nonce: randomBytes(32).toString('base64url') });

/** Requests to instances of the first release, as their statements. */
export interface OldTraffic {
  /** How many rounds were done, each with all kinds of statements. */
  rounds(): number;
  /** What failed, at most once for each kind. */
  readonly failures: ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

/**
 * Logs in, checks, refreshes, lists, renames and logs out, without pause. Nothing waits for a lock longer than a session
 * check may take: PostgreSQL ends it then, and it has failed.
 */
export async function startOldTraffic(url: string, sessions: readonly OldSession[], clients = 3): Promise<OldTraffic> {
  const failures = new Map<string, string>();
  let [rounds, isRunning] = [0, true];
  const connections = await Promise.all(
    Array.from({ length: clients }, async () => {
      const client = new Client({ connectionString: url });
      client.on('error', () => undefined);
      await client.connect();
      await client.query(`SET lock_timeout = ${new AppConfig().sessionCheckTimeoutMs}`);
      return client;
    }),
  );
  const loops = connections.map(async (client, i) => {
    for (let turn = i; isRunning; turn++) {
      for (const [what, text, values] of statementsOf(sessions[turn % sessions.length]!)) {
        try {
          const { rowCount } = await client.query(text, values);
          if (rowCount === 0) failures.set(what, 'no row');
        } catch (error) {
          failures.set(what, String(error));
          await client.query('ROLLBACK').catch(() => undefined);
        }
      }
      rounds++;
    }
  });
  return {
    rounds: () => rounds,
    failures,
    async stop() {
      isRunning = false;
      await Promise.all(loops);
      await Promise.all(connections.map((client) => client.end()));
    },
  };
}

function statementsOf({ id, userId }: OldSession): [what: string, text: string, values?: unknown[]][] {
  const own = randomUUID();
  const hash = randomBytes(32);
  return [
    [
      'account',
      'SELECT id, email, name, role, password_hash, email_verified_at, disabled_at, created_at FROM users WHERE id = $1',
      [userId],
    ],
    ['login: begin', 'BEGIN'],
    [
      'login: user',
      `SELECT id FROM users WHERE id = $1 AND password_hash = '!' AND disabled_at IS NULL FOR NO KEY UPDATE`,
      [userId],
    ],
    [
      'login: session',
      `WITH opened AS (
         INSERT INTO sessions ${SESSION} VALUES ($1, $2, $3, 'body', '192.0.2.1', '', now() + interval '30 days', now() + interval '7 days')
         RETURNING *
       ), announced AS (
         INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
         SELECT 'session_created', 'success', user_id, id, user_id, '192.0.2.1', '', 'request' FROM opened
       )
       SELECT s.id, u.email FROM opened s JOIN users u ON u.id = s.user_id`,
      [own, userId, hash],
    ],
    ['login: commit', 'COMMIT'],
    [
      'check',
      `SELECT s.id, s.generation, s.rotated_at, s.revoked_reason, u.role FROM sessions s JOIN users u ON u.id = s.user_id
       WHERE s.id = ANY($1::uuid[])`,
      [[id, own]],
    ],
    [
      'refresh',
      `UPDATE sessions s SET generation = s.generation + 1, refresh_token_hash = $3, rotated_at = now(), last_seen_at = now(),
         idle_expires_at = least(now() + interval '7 days', s.expires_at)
       FROM users u
       WHERE s.id = $1 AND s.generation = 1 AND s.refresh_token_hash = $2 AND ${ACTIVE} AND u.id = s.user_id
         AND u.disabled_at IS NULL RETURNING s.id`,
      [own, hash, randomBytes(32)],
    ],
    [
      'seen',
      `WITH held AS (SELECT s.id FROM sessions s WHERE s.id = $1 ORDER BY s.id FOR UPDATE OF s)
       UPDATE sessions s SET last_seen_at = now(), used_generation = greatest(s.used_generation, 1) FROM held WHERE s.id = held.id`,
      [own],
    ],
    [
      'list',
      `SELECT s.* FROM sessions s WHERE s.user_id = $1 AND ${ACTIVE} ORDER BY s.created_at DESC, s.id DESC LIMIT 50`,
      [userId],
    ],
    [
      'rename',
      `UPDATE sessions s SET device_name = 'Laptop' WHERE s.id = $1 AND s.user_id = $2 AND ${ACTIVE} RETURNING s.id`,
      [own, userId],
    ],
    ['logout', `WITH ${END('s.id = $2')} SELECT count(*) FROM ended`, ['logout', own]],
    ['trail', 'SELECT * FROM audit_events WHERE user_id = $1 ORDER BY at DESC, id DESC LIMIT 20', [userId]],
  ];
}
