import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'pg';
import type { Api } from './api.js';
import { freePort } from './free-port.js';
import { signed, signingKeyOf } from './forge.js';
import { type Instance, startInstance } from './instance.js';
import type { PostgresCluster } from './postgres-cluster.js';

/** An open session and its access token, without a login. */
export interface OpenSession {
  readonly id: string;
  readonly userId: string;
  readonly accessToken: string;
}

/** Opens sessions of one new user in the database of a running service. */
export async function openSessions(primary: PostgresCluster, count: number): Promise<OpenSession[]> {
  const key = await signingKeyOf(primary);
  const rows = await primary.query<{ id: string; user_id: string; authenticated: number }>(
    `WITH owner AS (
       INSERT INTO users (id, email, password_hash) VALUES ($1, $1::uuid || '@example.com', 'none') RETURNING id
     )
     INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, used_generation, user_agent, ip, idle_expires_at, expires_at)
     SELECT gen_random_uuid(), id, sha256(uuid_send(gen_random_uuid())), 'body', 1, 'test', '203.0.113.7',
       now() + interval '5 days', now() + interval '30 days'
     FROM owner, generate_series(1, $2::integer)
     RETURNING id, user_id, floor(extract(epoch FROM authenticated_at))::integer AS authenticated`,
    [randomUUID(), count],
  );
  const now = Math.floor(Date.now() / 1000);
  return rows.map(({ id, user_id: sub, authenticated }) => {
    const times = { iat: now, exp: now + 3600, auth_time: authenticated };
    const names = { iss: 'latchkey', aud: 'latchkey', sub, sid: id, gen: 1, jti: randomUUID() };
    return { id, userId: sub, accessToken: signed({ ...names, ...times }, key) };
  });
}

export const logout = (api: Api, { accessToken }: OpenSession) =>
  api.call('POST', '/auth/logout', { bearer: accessToken, body: {} });

/** An instance that asks standbys, and what its metrics say of it. */
export interface ReadingInstance extends Instance {
  /** How many session checks were answered so far. */
  answered(): Promise<{ primary: number; standby: number }>;
}

export async function startReading(
  databaseUrl: string,
  readUrls: readonly string[],
  env: Record<string, string> = {},
): Promise<ReadingInstance> {
  const METRICS_PORT = String(await freePort());
  const urls = { DATABASE_URL: databaseUrl, DATABASE_READ_URLS: readUrls.join(', ') };
  const instance = await startInstance({ env: { ...urls, METRICS_PORT, ...env } });
  return {
    ...instance,
    async answered() {
      const text = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
      const by = (server: string) =>
        Number(
          new RegExp(`^latchkey_session_checks_answered_total\\{server="${server}"\\} (\\d+)$`, 'm').exec(text)?.[1],
        );
      return { primary: by('primary'), standby: by('standby') };
    },
  };
}

/** Asks a standby as if it were the primary: without a position. */
export async function naiveReader(url: string) {
  // Each read of those at once has a connection, so that none waits for another.
  const pool = new Pool({ connectionString: url });
  pool.on('error', () => undefined);
  await pool.query('SELECT');
  return {
    async isOpen({ id }: OpenSession): Promise<boolean> {
      const { rows } = await pool.query({
        name: 'naive',
        text: 'SELECT FROM sessions WHERE id = $1 AND revoked_at IS NULL',
        values: [id],
      });
      return rows.length > 0;
    },
    async hasIncident(id: string): Promise<boolean> {
      const { rows } = await pool.query({ text: 'SELECT FROM incidents WHERE id = $1', values: [id] });
      return rows.length > 0;
    },
    close: () => pool.end(),
  };
}

/** Stops the replay of a standby again and again for some milliseconds, while it answers. */
export async function stutter(standby: PostgresCluster, milliseconds: number) {
  const [row] = await standby.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'`);
  let isRunning = true;
  const stuttering = (async () => {
    while (isRunning) {
      for (const signal of ['SIGSTOP', 'SIGCONT'] as const) {
        process.kill(row!.pid, signal);
        await sleep(milliseconds);
      }
    }
  })();
  return {
    async steady(): Promise<void> {
      isRunning = false;
      await stuttering;
    },
  };
}
