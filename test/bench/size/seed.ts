// A database as it is after years: many users with few sessions, most of them ended, and two users with very many rows.
import { hash } from '@node-rs/argon2';
import { AppConfig } from '../../../src/config/config.js';
import { onDatabase } from '../../../src/config/load-config.js';
import { databaseOptions } from '../../../src/database/database-options.js';
import { migrate } from '../../../src/database/migrate.js';
import { PASSWORD } from '../../support/api.js';
import { query } from '../store.js';

const SESSIONS_PER_USER = 10;
/** The same in a small database as in a large one, so that what differs comes from the rows of others. */
const SPECIAL = { sessions: 10_000, lines: 100_000, over: 2500 };
// Of the middle, so that it is neither the newest nor the oldest.
export const COMMON_USER = (users: number): string => `user-${Math.ceil(users / 2)}@example.com`;
export const MANY_SESSIONS = 'many-sessions@example.com';
export const MANY_LINES = 'many-lines@example.com';
export const STAFF = 'staff@example.com';
const OVER = 'over@example.com';

export interface Sizes {
  readonly sessions: number;
  readonly events: number;
}

export interface Seeded {
  readonly users: number;
  /** Counted. */
  readonly rows: Readonly<Record<string, number>>;
}

/** Fills an empty database: rows first, then indexes, as a restore does. */
export async function seed(url: string, { sessions, events }: Sizes): Promise<Seeded> {
  await migrate(databaseOptions(onDatabase(new AppConfig(), url)));
  const users = Math.max(1, Math.ceil(sessions / SESSIONS_PER_USER));
  const passwordHash = await hash(PASSWORD, { memoryCost: 19_456, timeCost: 2, parallelism: 1 });
  await partsOfThePast(url);
  const rebuild = await dropIndexes(url, ['sessions', 'audit_events']);
  // The rows are right by themselves; checking each against the users would take most of the time.
  const fast = ['SET session_replication_role = replica', `SET work_mem = '256MB'`, `SET maintenance_work_mem = '2GB'`];
  await query(
    url,
    ...fast,
    [
      `INSERT INTO users (email, password_hash, role, email_verified_at, created_at)
       SELECT 'user-' || i || '@example.com', $2, 'user', now(), now() - interval '3 years' + i * interval '3 years' / $1
       FROM generate_series(1, $1::integer) i`,
      [users, passwordHash],
    ],
    [
      `INSERT INTO users (email, password_hash, role, email_verified_at)
       VALUES ('${MANY_SESSIONS}', $1, 'user', now()), ('${MANY_LINES}', $1, 'user', now()), ('${OVER}', $1, 'user', now()), ('${STAFF}', $1, 'admin', now())`,
      [passwordHash],
    ],
    SESSIONS,
    // What retention deletes, as much in either database.
    `UPDATE sessions s SET expires_at = now() - interval '91 days', idle_expires_at = now() - interval '91 days'
     FROM users u WHERE u.id = s.user_id AND u.email = '${OVER}'`,
    linesOf(Math.ceil(events / sessions)),
    `INSERT INTO known_devices (user_id, fingerprint)
     SELECT id, sha256(uuid_send(id)) FROM users ON CONFLICT DO NOTHING`,
    ...rebuild,
    'VACUUM (ANALYZE) users, sessions, audit_events, known_devices',
    'CHECKPOINT',
  );
  const counts = await query<Record<string, string>>(
    url,
    `SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM sessions) AS sessions,
       (SELECT count(*) FROM audit_events) AS audit_events`,
  );
  return {
    users,
    rows: Object.fromEntries(Object.entries(counts[0] ?? {}).map(([table, count]) => [table, Number(count)])),
  };
}

// One in two users has seven or less, one in a hundred over forty. One session in five is active, three are revoked, the others
// expired. In the order in which they came, so that a user's rows lie far from each other.
const SESSIONS = `
  INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, generation, used_generation, user_agent, ip, created_at,
    authenticated_at, last_seen_at, rotated_at, idle_expires_at, expires_at, revoked_at, revoked_reason, revoked_by)
  SELECT gen_random_uuid(), id, sha256(uuid_send(gen_random_uuid())), 'body', 3, 3,
    'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0', '203.0.113.' || (draw * 250)::integer,
    opened, opened, opened + life, opened + life, least(opened + life + interval '7 days', opened + interval '30 days'),
    opened + interval '30 days', ended, CASE WHEN ended IS NOT NULL THEN 'logout' END,
    CASE WHEN ended IS NOT NULL THEN id END
  FROM (
    SELECT id, draw, opened, CASE WHEN draw < 0.2 THEN now() - opened ELSE random() * least(interval '20 days', now() - opened) END
      AS life, CASE WHEN draw >= 0.7 THEN opened + random() * (now() - opened) * 0.5 END AS ended
    FROM (
      SELECT id, draw, now() - CASE WHEN draw < 0.2 THEN random() * interval '20 days' ELSE random() * interval '119 days' END
        AS opened
      FROM (SELECT id, random() AS draw FROM (
          SELECT id, CASE email
            WHEN '${MANY_SESSIONS}' THEN ${SPECIAL.sessions} WHEN '${OVER}' THEN ${SPECIAL.over}
            WHEN '${MANY_LINES}' THEN 5 WHEN '${STAFF}' THEN 5
            ELSE 1 - ln(1 - random()) * ${SESSIONS_PER_USER - 1} END::integer AS count
          FROM users
        ) owners, LATERAL generate_series(1, count)) drawn
    ) begun
  ) lived
  ORDER BY opened`;

/** So many lines of each session: its beginning, its end where it was revoked, and refreshes. */
const linesOf = (each: number): string => `
  INSERT INTO audit_events (at, type, outcome, user_id, session_id, actor_id, reason, ip, user_agent)
  SELECT at, type, CASE WHEN type = 'login_failed' THEN 'failure' ELSE 'success' END, user_id, session_id, user_id,
    CASE WHEN type = 'session_revoked' THEN 'logout' END, ip, user_agent
  FROM (
    SELECT s.user_id, s.id AS session_id, s.ip, s.user_agent,
      CASE WHEN n = 3 AND s.revoked_at IS NOT NULL THEN s.revoked_at
        ELSE least(now() - interval '1 minute', s.created_at + (n - 1) * (now() - s.created_at) / count) END AS at,
      CASE
        WHEN n = 1 THEN 'login_succeeded' WHEN n = 2 THEN 'session_created'
        WHEN n = 3 AND s.revoked_at IS NOT NULL THEN 'session_revoked'
        WHEN random() < 0.02 THEN 'login_failed' WHEN random() < 0.001 THEN 'session_renamed'
        ELSE 'session_refreshed'
      END AS type
    FROM sessions s JOIN users u ON u.id = s.user_id,
      LATERAL (SELECT CASE WHEN u.email = '${MANY_LINES}' THEN ${SPECIAL.lines} / 5 ELSE ${each} END AS count) lines,
      LATERAL generate_series(1, count) n
  ) lines
  ORDER BY at`;

/** Where the trail has parts: one for each month of a year, as there are after a year, instead of one for all of it. */
async function partsOfThePast(url: string): Promise<void> {
  const [trail] = await query(url, `SELECT FROM pg_class WHERE oid = 'audit_events'::regclass AND relkind = 'p'`);
  if (trail === undefined) {
    return;
  }
  await query(
    url,
    'ALTER TABLE audit_events DETACH PARTITION audit_events_old',
    'DROP TABLE audit_events_old',
    `SELECT audit_events_add_part(to_char(month, '"audit_events_past_"YYYY_MM'), format('FOR VALUES FROM (%L) TO (%L)', month,
       least(month + interval '1 month', (SELECT min(starts_at) FROM audit_events_parts()))))
     FROM generate_series(date_trunc('month', now()) - interval '12 months', date_trunc('month', now()), '1 month') month
     WHERE month < (SELECT min(starts_at) FROM audit_events_parts())`,
  );
}

/** Drops the indexes of tables, and returns what makes them again. */
async function dropIndexes(url: string, tables: readonly string[]): Promise<string[]> {
  const rows = await query<{ drop: string; make: string }>(url, [
    `SELECT
       CASE WHEN c.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass)
         ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, c.conname) END AS drop,
       CASE WHEN c.oid IS NULL THEN replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
         ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) END
         AS make
     FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
     WHERE i.indrelid::regclass::text = ANY($1) ORDER BY c.conname`,
    [tables],
  ]);
  await query(url, ...rows.map(({ drop }) => drop));
  return rows.map(({ make }) => make);
}
