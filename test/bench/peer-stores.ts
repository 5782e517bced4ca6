// The databases of what a user might pick instead, with as many users and sessions.
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PEER_SECRET } from './servers.js';
import { CALLERS, ENDING, hashOfPassword, query, SESSIONS_PER_USER, type Store, USER_AGENTS } from './store.js';

/** A database, and a header with the cookie of each of many sessions. */
export interface PeerStore {
  readonly url: string;
  readonly headers: string[];
}

/** The same number of sessions in better-auth's tables. Returns the database and a cookie for each of many of them. */
export async function seedBetterAuth(store: Store, sessions: number): Promise<PeerStore> {
  const url = await store.createDatabase('better_auth');
  execFileSync(process.execPath, ['test/bench/peers/better-auth.mjs', 'migrate'], {
    env: { ...process.env, NODE_ENV: 'production', DATABASE_URL: url, SECRET: PEER_SECRET },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const tokens = await query<{ token: string }>(
    url,
    'SET session_replication_role = replica',
    [
      `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
       SELECT md5('user' || i), 'User ' || i, 'user-' || i || '@example.com', false, now(), now()
       FROM generate_series(1, $1::integer) i`,
      [Math.ceil(sessions / SESSIONS_PER_USER)],
    ],
    [
      `INSERT INTO account (id, "accountId", "providerId", "userId", password, "createdAt", "updatedAt")
       SELECT md5('account' || id), id, 'credential', id, $1, now(), now() FROM "user"`,
      [await hashOfPassword()],
    ],
    [
      `INSERT INTO "session" (id, token, "userId", "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent")
       SELECT md5('session' || i), md5(random()::text || i), md5('user' || 1 + i / ${SESSIONS_PER_USER}),
         now() + interval '7 days', now(), now(), '203.0.113.' || i % 251, ($2::text[])[1 + i % 3]
       FROM generate_series(1, $1::integer) i`,
      [sessions - SESSIONS_PER_USER, USER_AGENTS],
    ],
    'VACUUM ANALYZE',
    'CHECKPOINT',
    `SELECT token FROM "session" ORDER BY id LIMIT ${CALLERS}`,
  );
  return { url, headers: tokens.map(({ token }) => `Cookie: ${betterAuthCookie(token)}`) };
}

/** The same number of sessions in connect-pg-simple's table. */
export async function seedExpressSession(store: Store, sessions: number): Promise<PeerStore> {
  const url = await store.createDatabase('express_session');
  const ids = await query<{ sid: string }>(
    url,
    readFileSync('test/bench/peers/node_modules/connect-pg-simple/table.sql', 'utf8'),
    `CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text NOT NULL UNIQUE, role text NOT NULL,
       password_hash text NOT NULL)`,
    [
      `INSERT INTO users (email, role, password_hash)
       SELECT 'user-' || i || '@example.com', 'user', $2 FROM generate_series(1, $1::integer) i`,
      [Math.ceil(sessions / SESSIONS_PER_USER), await hashOfPassword()],
    ],
    [
      `INSERT INTO session (sid, expire, sess)
       SELECT md5(random()::text || i), now() + interval '30 days', json_build_object(
         'cookie', json_build_object('originalMaxAge', 2592000000, 'expires', now() + interval '30 days',
           'httpOnly', true, 'path', '/', 'sameSite', 'lax'),
         'user', json_build_object('id', gen_random_uuid(), 'email', 'user-' || i || '@example.com', 'role', 'user'))
       FROM generate_series(1, $1::integer) i`,
      [sessions],
    ],
    'VACUUM ANALYZE',
    'CHECKPOINT',
    `SELECT sid FROM session ORDER BY sid LIMIT ${CALLERS}`,
  );
  return { url, headers: ids.map(({ sid }) => `Cookie: ${expressCookie(sid)}`) };
}

const betterAuthCookie = (token: string): string => {
  const signature = createHmac('sha256', PEER_SECRET).update(token).digest('base64');
  return `better-auth.session_token=${encodeURIComponent(`${token}.${signature}`)}`;
};

const expressCookie = (sid: string): string => {
  const signature = createHmac('sha256', PEER_SECRET).update(sid).digest('base64').replace(/=+$/, '');
  return `connect.sid=${encodeURIComponent(`s:${sid}.${signature}`)}`;
};

/** Cookies of sessions that are open, and are not those of the callers. */
export async function pickBetterAuthCookies(url: string): Promise<{ cookie: string; token: string }[]> {
  const rows = await query<{ token: string }>(url, [`SELECT token FROM "session" ORDER BY id DESC LIMIT $1`, [ENDING]]);
  return rows.map(({ token }) => ({ token, cookie: betterAuthCookie(token) }));
}

/** The same of express-session. */
export async function pickExpressCookies(url: string): Promise<string[]> {
  const rows = await query<{ sid: string }>(url, [`SELECT sid FROM session ORDER BY sid DESC LIMIT $1`, [ENDING]]);
  return rows.map(({ sid }) => expressCookie(sid));
}
