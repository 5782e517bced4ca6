import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hash } from '@node-rs/argon2';
import { Client, type QueryResultRow } from 'pg';
import { AppConfig } from '../../src/config/config.js';
import { onDatabase } from '../../src/config/load-config.js';
import { databaseOptions } from '../../src/database/database-options.js';
import { startEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { migrate } from '../../src/database/migrate.js';
import { PASSWORD } from '../support/api.js';
import { forgeRefreshToken, makeSigningKey, signed } from '../support/forge.js';
import { SECRETS } from '../support/secrets.js';
import { cpuMicroseconds } from './machine.js';

export const SESSIONS_PER_USER = 10;
export const CALLERS = 5000;
/** How many sessions at a time are refreshed or ended. */
export const ENDING = 2000;
export const USER_AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0',
];

/** A PostgreSQL for the benchmark, durable as in production. */
export interface Store {
  readonly version: string;
  /** Processor time of all of its processes. */
  cpuMicroseconds(): number | null;
  /** An empty database. Returns its URL. */
  createDatabase(name: string, options?: { readonly locale?: string; readonly template?: string }): Promise<string>;
  /** A folder of the benchmark's own. */
  readonly folder: string;
  stop(): Promise<void>;
}

interface StoreOptions {
  readonly isDurable?: boolean;
  /** Of PostgreSQL. */
  readonly settings?: Readonly<Record<string, string>>;
}

export async function startStore({ isDurable = true, settings = {} }: StoreOptions = {}): Promise<Store> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
  let server = await startEmbeddedPostgres({ dataDir: folder, isDurable });
  const changes = Object.entries(settings).map(([name, value]) => `ALTER SYSTEM SET ${name} = '${value}'`);
  if (changes.length > 0) {
    await query(server.url, ...changes);
    await server.stop();
    server = await startEmbeddedPostgres({ dataDir: folder, isDurable });
  }
  const postmaster = Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]);
  const { url } = server;
  const [row] = await query<{ server_version: string }>(url, 'SHOW server_version');
  return {
    version: row!.server_version,
    folder,
    cpuMicroseconds: () => cpuMicroseconds(postmaster, { withChildren: true }),
    async createDatabase(name, { locale, template = 'template1' } = {}) {
      const of =
        locale === undefined
          ? ` TEMPLATE ${template}`
          : ` TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE '${locale}'`;
      await query(url, `CREATE DATABASE ${name}${of}`);
      const databaseUrl = new URL(url);
      databaseUrl.pathname = `/${name}`;
      return databaseUrl.href;
    },
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function query<Row extends QueryResultRow>(
  url: string,
  ...statements: (string | [sql: string, values: unknown[]])[]
) {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    let rows: Row[] = [];
    for (const statement of statements) {
      const [sql, values] = typeof statement === 'string' ? [statement, []] : statement;
      ({ rows } = await client.query<Row>(sql, values));
    }
    return rows;
  } finally {
    await client.end();
  }
}

/** Of {@link PASSWORD}, as the service hashes it. */
export const hashOfPassword = (): Promise<string> =>
  hash(PASSWORD, { memoryCost: 19_456, timeCost: 2, parallelism: 1 });

/** A database of the service's with so many sessions, one in ten of them ended. */
export async function seedLatchkey(store: Store, name: string, sessions: number): Promise<string> {
  const url = await store.createDatabase(name);
  await migrate(databaseOptions(onDatabase(new AppConfig(), url)));
  const passwordHash = await hashOfPassword();
  await query(
    url,
    // The rows are right by themselves; checking each against the users would take most of the time.
    'SET session_replication_role = replica',
    [
      `INSERT INTO users (email, password_hash)
       SELECT 'user-' || i || '@example.com', $2 FROM generate_series(1, $1::integer) i`,
      [Math.ceil(sessions / SESSIONS_PER_USER), passwordHash],
    ],
    [
      `INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, used_generation, user_agent, ip, created_at,
         authenticated_at, last_seen_at, idle_expires_at, expires_at, revoked_at, revoked_reason, revoked_by)
       SELECT gen_random_uuid(), u.id, sha256(uuid_send(gen_random_uuid())), CASE n % 2 WHEN 0 THEN 'body' ELSE 'cookie' END,
         1, ($1::text[])[1 + n % 3], '203.0.' || n % 256 || '.' || n % 251, at, at, now() - random() * interval '5 minutes',
         now() + interval '5 days', at + interval '30 days',
         CASE WHEN n % 10 = 0 THEN now() END, CASE WHEN n % 10 = 0 THEN 'logout' END, CASE WHEN n % 10 = 0 THEN u.id END
       FROM users u, generate_series(1, ${SESSIONS_PER_USER}) n,
         LATERAL (SELECT now() - random() * interval '20 days' + n * interval '1 second' AS at) times`,
      [USER_AGENTS],
    ],
    'VACUUM ANALYZE',
    'CHECKPOINT',
  );
  return url;
}

/** Some users who can log in with {@link PASSWORD}. */
export const pickUsers = (url: string, count: number): Promise<{ email: string }[]> =>
  query(url, [`SELECT email FROM users WHERE password_hash LIKE '$argon2%' ORDER BY random() LIMIT $1`, [count]]);

interface CallerRow {
  readonly id: string;
  readonly user_id: string;
  readonly authenticated: number;
}

// From one end those who ask, from the other those who end, so that they never meet.
const pickSessions = (url: string, where: string, order: 'ASC' | 'DESC', count: number): Promise<CallerRow[]> =>
  query<CallerRow>(url, [
    `SELECT id, user_id, floor(extract(epoch FROM authenticated_at))::integer AS authenticated
     FROM sessions WHERE revoked_at IS NULL AND ${where} ORDER BY id ${order} LIMIT $1`,
    [count],
  ]);

/** An access token for each of many sessions, as a file of headers. */
export async function writeCallers(
  url: string,
  file: string,
  { count = CALLERS, isHs256 = false }: { count?: number; isHs256?: boolean } = {},
): Promise<string[]> {
  const now = Math.floor(Date.now() / 1000);
  const database = { query: (sql: string, values: unknown[] = []) => query<any>(url, [sql, values]) };
  const key = isHs256 ? SECRETS.JWT_SECRET : await makeSigningKey(database);
  const callers = await pickSessions(url, 'true', 'ASC', count);
  return writeHeaders(
    file,
    callers.map(({ id, user_id: userId, authenticated }) => {
      const times = { iat: now, exp: now + 24 * 3600, auth_time: authenticated };
      const names = { iss: 'latchkey', aud: 'latchkey', sub: userId, sid: id, gen: 1, jti: randomUUID() };
      return `Authorization: Bearer ${signed({ ...names, ...times }, key)}`;
    }),
  );
}

/** Gives some sessions refresh tokens that are known here. */
export async function seedRefreshTokens(url: string): Promise<string[]> {
  const callers = await pickSessions(url, `delivery = 'body'`, 'DESC', ENDING);
  const tokens = callers.map(({ id }) =>
    forgeRefreshToken({ sessionId: id, generation: 1, nonce: randomBytes(32).toString('base64url') }),
  );
  await query(url, [
    `UPDATE sessions s SET refresh_token_hash = t.hash, generation = 1, used_generation = 1, rotated_at = NULL
     FROM unnest($1::uuid[], $2::bytea[]) AS t(id, hash) WHERE s.id = t.id`,
    [callers.map(({ id }) => id), tokens.map((token) => createHash('sha256').update(token).digest())],
  ]);
  return tokens;
}

export function writeHeaders(file: string, headers: string[]): string[] {
  writeFileSync(file, `${headers.join('\n')}\n`);
  return headers;
}

/** A new user with so many open sessions. Returns the refresh token of one of them. */
export async function seedUserWith(url: string, sessions: number): Promise<string> {
  const [id, userId] = [randomUUID(), randomUUID()];
  const token = forgeRefreshToken({ sessionId: id, generation: 1, nonce: randomBytes(32).toString('base64url') });
  await query(
    url,
    [`INSERT INTO users (id, email, password_hash) VALUES ($1, $1::uuid || '@example.com', 'none')`, [userId]],
    [
      `INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, idle_expires_at, expires_at)
       SELECT CASE n WHEN 1 THEN $2::uuid ELSE gen_random_uuid() END, $1, $3, 'body', $4, '203.0.113.7',
         now() + interval '5 days', now() + interval '30 days'
       FROM generate_series(1, $5::integer) n`,
      [userId, id, createHash('sha256').update(token).digest(), USER_AGENTS[0], sessions],
    ],
  );
  return token;
}
