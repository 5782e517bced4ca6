// What PostgreSQL alone would do: the service's own statements, sent by pgbench. Null where there is no pgbench.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sql } from 'sql-template-tag';
import { RefreshRepository } from '../../src/sessions/refresh/refresh.repository.js';
import { LogoutRepository } from '../../src/sessions/revoke/logout.repository.js';
import { median } from './client.js';
import { hasPgbench } from './machine.js';
import { query, seedLatchkey, type Store } from './store.js';

const REFRESHERS = 64;
const LEAVERS = 32;
// More than one client can end in a second.
const LOGOUTS_PER_SECOND = 500;

/** How many refreshes a second pgbench does, with 64 clients. */
export async function benchRefreshStatement(store: Store, url: string, seconds: number): Promise<number | null> {
  if (!hasPgbench) {
    return null;
  }
  await seedSessions(url, REFRESHERS);
  const statement = await textOf((database) => {
    const config = { sessionIdleTtlSeconds: `604800`, hasRateLimits: false };
    const repository: RefreshRepository = Reflect.construct(RefreshRepository, [database, null, config]);
    const token: any = {
      sessionId: idOf(':client_id'),
      generation: ':generation',
      hash: hashOf(':client_id', ':generation'),
    };
    const successor: any = hashOf(':client_id', '(:generation + 1)');
    const delivery: any = `'body'`;
    return repository.rotate(token, delivery, successor, SOURCE);
  });
  const { done, perSecond } = pgbench(store, url, {
    script: `${statement};\n\\set generation :generation + 1\n`,
    clients: REFRESHERS,
    seconds,
    variables: { generation: 1 },
  });
  const [rotated] = await query<{ count: number }>(
    url,
    `SELECT sum(generation - 1)::integer AS count FROM sessions WHERE user_agent = 'pgbench'`,
  );
  expect(done, rotated!.count);
  return perSecond;
}

/** Logouts a second by 32 clients. */
export interface Commits {
  /** As they are. */
  readonly now: number;
  /** Each with a notification in its transaction, as a trigger on the audit trail would send it. */
  readonly notifying: number;
}

/** Has a database of its own, for its trigger. */
export async function benchCommits(store: Store, rounds: number, seconds: number): Promise<Commits | null> {
  if (!hasPgbench) {
    return null;
  }
  const url = await seedLatchkey(store, 'commits', 1000);
  await query(url, NOTIFY_FUNCTION);
  const [user] = await query<{ id: string }>(url, 'SELECT id FROM users LIMIT 1');
  const statement = await logoutStatement(`'${user!.id}'::uuid`);
  const found: Record<keyof Commits, number[]> = { now: [], notifying: [] };
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['now', 'notifying'] as const) {
      if (kind === 'notifying') await query(url, NOTIFY_TRIGGER);
      const each = seconds * LOGOUTS_PER_SECOND;
      await seedSessions(url, LEAVERS * each);
      const { done, perSecond } = pgbench(store, url, {
        script: `\\set number :number + 1\n\\set id :client_id * ${each} + :number\n${statement};\n`,
        clients: LEAVERS,
        seconds,
        variables: { number: -1 },
      });
      const [revoked] = await query<{ count: number }>(
        url,
        `SELECT count(*)::integer AS count FROM sessions WHERE user_agent = 'pgbench' AND revoked_at IS NOT NULL`,
      );
      expect(done, revoked!.count);
      found[kind].push(perSecond);
      await query(url, 'DROP TRIGGER IF EXISTS notify_sessions ON audit_events');
    }
  }
  return { now: median(found.now), notifying: median(found.notifying) };
}

const NOTIFY_FUNCTION = `
  CREATE FUNCTION notify_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_notify('latchkey_sessions', json_agg(json_build_object('eventId', id, 'type', type, 'userId', user_id,
      'sessionId', session_id, 'reason', reason, 'at', floor(extract(epoch FROM at) * 1000)))::text) FROM inserted;
    RETURN NULL;
  END $$`;
const NOTIFY_TRIGGER = `
  CREATE TRIGGER notify_sessions AFTER INSERT ON audit_events REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION notify_sessions()`;

const logoutStatement = (userId: string): Promise<string> =>
  textOf((database) => {
    const notifications = { notify: () => undefined };
    const repository: LogoutRepository = Reflect.construct(LogoutRepository, [database, notifications, {}]);
    const revoker: any = { reason: `'logout'`, actorId: userId };
    return repository.revoke(idOf(':id'), userId, revoker, SOURCE);
  });

// Where a statement has values, these are SQL.
const SOURCE: any = { ip: `'pgbench'`, userAgent: `'pgbench'`, requestId: `'pgbench'` };
const idOf = (number: string) => `('00000000-0000-4000-8000-' || lpad((${number})::text, 12, '0'))::uuid`;
const hashOf = (number: string, generation: string): any =>
  `sha256(convert_to((${number})::text || '.' || (${generation})::text, 'UTF8'))`;

/** Sessions of the first generation that are known by their number, in place of those there were. */
async function seedSessions(url: string, count: number): Promise<void> {
  await query(url, `DELETE FROM sessions WHERE user_agent = 'pgbench'`, [
    `INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, idle_expires_at, expires_at)
     SELECT ${idOf('n')}, (SELECT id FROM users LIMIT 1), ${hashOf('n', '1')}, 'body', 'pgbench', '203.0.113.7',
       now() + interval '5 days', now() + interval '30 days'
     FROM generate_series(0, $1::integer - 1) n`,
    [count],
  ]);
}

/** The statement that a repository sends, with the SQL it was given in place of its values. */
async function textOf(send: (database: object) => Promise<unknown>): Promise<string> {
  let statement = '';
  await send({
    prepared(_name: string, { strings, values }: Sql) {
      statement = strings.reduce((before, after, index) => `${before}${String(values[index - 1])}${after}`);
      return Promise.resolve({ rows: [], rowCount: 0 });
    },
    settle: () => Promise.resolve(),
  });
  return statement.replaceAll(/\s+/g, ' ');
}

interface Run {
  readonly script: string;
  readonly clients: number;
  readonly seconds: number;
  readonly variables: Readonly<Record<string, number>>;
}

function pgbench(store: Store, url: string, { script, clients, seconds, variables }: Run) {
  const file = join(store.folder, 'pgbench.sql');
  writeFileSync(file, script);
  const given = Object.entries(variables).flatMap(([name, value]) => ['-D', `${name}=${value}`]);
  const options = ['-n', '-M', 'prepared', '-c', String(clients), '-T', String(seconds), ...given, '-f', file];
  const output = execFileSync('pgbench', [...options, url], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  const [, perSecond] = /tps = ([\d.]+)/.exec(output) ?? [];
  const [, done] = /transactions actually processed: (\d+)/.exec(output) ?? [];
  return { done: Number(done), perSecond: Number(perSecond) };
}

function expect(done: number, changed: number): void {
  if (changed !== done) {
    throw new Error(`pgbench changed ${changed} sessions in ${done} transactions`);
  }
}
