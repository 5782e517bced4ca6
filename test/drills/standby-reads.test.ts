import { Client } from 'pg';
import sql from 'sql-template-tag';
import { loadConfig } from '../../src/config/load-config.js';
import type { ReservedConnections } from '../../src/database/reserved-connections.js';
import { findLog, findPosition, type LogPosition, whyNot } from '../../src/database/standbys/log-position.js';
import { Standby } from '../../src/database/standbys/standby.js';
import { Standbys } from '../../src/database/standbys/standbys.js';
import { TIMES_AS_WRITTEN } from '../../src/database/time.js';
import { holdBatches } from '../support/held-batches.js';
import type { Instance } from '../support/instance.js';
import { runMigrateWith } from '../support/migrate.js';
import { PostgresCluster } from '../support/postgres-cluster.js';
import { refusedStart } from '../support/restored.js';
import { SECRETS } from '../support/secrets.js';
import {
  logout,
  naiveReader,
  type OpenSession,
  openSessions,
  type ReadingInstance,
  startReading,
  stutter,
} from '../support/standbys.js';
import { until } from '../support/until.js';

// A primary and two standbys that stream from it. The service has a role that owns nothing, and no commit waits for a standby.
const AT_ONCE = 8;
let primary: PostgresCluster;
let standbys: [PostgresCluster, PostgresCluster];
let reading: ReadingInstance;
const instances: Instance[] = [];
const clusters: PostgresCluster[] = [];

const asRole = ({ servingUrl }: PostgresCluster, database = 'postgres') =>
  Object.assign(new URL(servingUrl), { pathname: `/${database}` }).href;

const ROLE = 'latchkey_runtime';

async function start(...args: Parameters<typeof startReading>): Promise<ReadingInstance> {
  const instance = await startReading(...args);
  instances.push(instance);
  return instance;
}

async function standbyOf(cluster: PostgresCluster): Promise<PostgresCluster> {
  const standby = await cluster.standby();
  clusters.push(standby);
  return standby;
}

async function set(cluster: PostgresCluster, ...changes: string[]): Promise<void> {
  for (const change of changes) await cluster.query(`ALTER SYSTEM ${change}`);
  await cluster.query('SELECT pg_reload_conf()');
}

/** Writes more of its log than a few tests do. */
const getAhead = (cluster: PostgresCluster) =>
  cluster.query(`SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000)) FROM generate_series(1, 20000)`);

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}

beforeAll(async () => {
  primary = await PostgresCluster.create();
  clusters.push(primary);
  await runMigrateWith({ MIGRATION_DATABASE_URL: primary.url, DATABASE_URL: primary.servingUrl });
  await primary.query(`GRANT pg_read_all_stats TO ${ROLE}`);
  standbys = [await standbyOf(primary), await standbyOf(primary)];
  reading = await start(
    asRole(primary),
    standbys.map((standby) => asRole(standby)),
  );
}, 120_000);

afterAll(async () => {
  for (const cluster of clusters) cluster.resume();
  await Promise.all(instances.map((instance) => instance.kill('SIGTERM')));
  await Promise.all(clusters.map((cluster) => cluster.remove()));
}, 60_000);

/**
 * Ends sessions, several at once, and asks for each at once after the answer: the service, and beside it each standby without a
 * position. All the while others ask with sessions that stay open.
 */
async function end(
  sessions: readonly OpenSession[],
  {
    at = reading,
    of = primary,
    and = standbys,
  }: { at?: ReadingInstance; of?: PostgresCluster; and?: PostgresCluster[] } = {},
) {
  const readers = await Promise.all(and.map(({ url }) => naiveReader(url)));
  const open = await openSessions(of, AT_ONCE);
  const before = await at.answered();
  const counts = { accepted: 0, naivelyAccepted: 0 };
  const others: number[] = [];
  let isRunning = true;
  const asking = open.map(async ({ accessToken }) => {
    while (isRunning) others.push((await at.api.me(accessToken)).status);
  });
  const left = [...sessions];
  try {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let session = left.pop(); session; session = left.pop()) {
          const one = session;
          expect((await logout(at.api, one)).status).toBe(204);
          const [{ status, body }, ...naive] = await Promise.all([
            at.api.me(one.accessToken),
            ...readers.map((reader) => reader.isOpen(one).catch(() => false)),
          ]);
          if (status === 200) counts.accepted++;
          else expect([status, body.code]).toEqual([401, 'session_revoked']);
          if (naive.includes(true)) counts.naivelyAccepted++;
        }
      }),
    );
  } finally {
    isRunning = false;
  }
  await Promise.all(asking);
  await Promise.all(readers.map((reader) => reader.close().catch(() => undefined)));
  expect(new Set(others)).toEqual(new Set([200]));
  const after = await at.answered();
  return { ...counts, byStandby: after.standby - before.standby, byPrimary: after.primary - before.primary };
}

/** Waits until a standby answers again, with a session that is open. */
async function untilAsked({ accessToken }: Pick<OpenSession, 'accessToken'>, at = reading): Promise<void> {
  await until('a standby answers', async () => {
    const { standby } = await at.answered();
    expect((await at.api.me(accessToken)).status).toBe(200);
    return (await at.answered()).standby > standby;
  });
}

/** Waits until an instance logs why it asks a standby no more: it finds that out by asking, which may take too long at first. */
async function untilSaid(instance: Instance, text: string, [session]: readonly OpenSession[]): Promise<void> {
  await until(`it is said: ${text}`, async () => {
    await instance.api.me(session!.accessToken);
    return instance.output().includes(text);
  });
}

it('Of thousands of sessions that were ended none is accepted, where a read without a position accepts many', async () => {
  const sessions = await openSessions(primary, 2000);
  // They replay by fits and starts, however fast the machine is. The second one has often caught up before it is given up.
  const replays = await Promise.all([stutter(standbys[0], 20), stutter(standbys[1], 3)]);
  try {
    const found = await end(sessions);
    expect(found.accepted).toBe(0);
    expect(found.naivelyAccepted).toBeGreaterThan(0);
    expect(found.byStandby).toBeGreaterThan(0);
  } finally {
    await Promise.all(replays.map((replay) => replay.steady()));
  }
}, 180_000);

it('A standby that replays some milliseconds late is waited for, and one that is later is not asked', async () => {
  const sessions = await openSessions(primary, 1000);
  for (const standby of standbys) await primary.hasSent(standby);
  try {
    await set(standbys[0], `SET recovery_min_apply_delay = '3ms'`);
    await set(standbys[1], `SET recovery_min_apply_delay = '1s'`);
    const found = await end(sessions);
    expect(found.accepted).toBe(0);
    expect(found.naivelyAccepted).toBeGreaterThan(900);
  } finally {
    for (const standby of standbys) await set(standby, 'RESET recovery_min_apply_delay');
  }
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!);
}, 180_000);

it('With a frozen standby and one that is cut off from the primary, every request is answered by the primary', async () => {
  const sessions = await openSessions(primary, 500);
  await primary.hasSent(standbys[1]);
  const [source] = await standbys[1].query<Record<'conninfo' | 'command', string>>(
    `SELECT quote_literal(current_setting('primary_conninfo')) AS conninfo,
       quote_literal(current_setting('restore_command')) AS command`,
  );
  standbys[0].pause();
  try {
    await set(standbys[1], `SET primary_conninfo = ''`, `SET restore_command = 'false'`);
    await until('nothing is sent', async () => (await standbys[1].query('TABLE pg_stat_wal_receiver')).length === 0);
    const found = await end(sessions, { and: [standbys[1]] });
    expect(found).toMatchObject({ accepted: 0, naivelyAccepted: 500, byStandby: 0 });
  } finally {
    standbys[0].resume();
    // Not RESET: they were set in the same file when the standby was made.
    await set(standbys[1], `SET primary_conninfo = ${source!.conninfo}`, `SET restore_command = ${source!.command}`);
  }
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!);
}, 180_000);

it('What a standby does not accept is asked of the primary, which may know better', async () => {
  const [session, other] = await openSessions(primary, 2);
  // A standby sees a commit that the primary does not show before another standby has it.
  const reader = await naiveReader(standbys[0].url);
  await set(primary, `SET synchronous_standby_names = 'nobody'`);
  await until(
    'it counts',
    async () => (await primary.query('SHOW synchronous_standby_names'))[0]?.['synchronous_standby_names'] === 'nobody',
  );
  try {
    const leaving = logout(reading.api, session!);
    await until('the standby sees the end', async () => !(await reader.isOpen(session!)));
    await untilAsked(other!);
    for (let i = 0; i < 20; i++) expect((await reading.api.me(session!.accessToken)).status).toBe(200);
    await set(primary, 'RESET synchronous_standby_names');
    expect((await leaving).status).toBe(204);
    expect((await reading.api.me(session!.accessToken)).status).toBe(401);
  } finally {
    await set(primary, 'RESET synchronous_standby_names');
    await reader.close();
  }
}, 120_000);

it('The sessions of an incident are refused from its answer on, before any row is ended, and others are accepted', async () => {
  const [admin] = await openSessions(primary, 1);
  await primary.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [admin!.userId]);
  const people: OpenSession[][] = [];
  while (people.length < 200) people.push(await openSessions(primary, 2));
  const open = await openSessions(primary, AT_ONCE);
  for (const standby of standbys) await primary.hasSent(standby);
  await set(standbys[0], `SET recovery_min_apply_delay = '1s'`);
  const reader = await naiveReader(standbys[0].url);
  const held = await holdBatches(primary);
  const before = await reading.answered();
  const counts = { accepted: 0, naivelyAccepted: 0 };
  const others: number[] = [];
  try {
    await Promise.all(
      open.map(async ({ accessToken }) => {
        for (let sessions = people.pop(); sessions; sessions = people.pop()) {
          const body = { where: { userIds: [sessions[0]!.userId] }, reason: 'a test' };
          const bearer = admin!.accessToken;
          const answer = await reading.api.call('POST', '/admin/incidents', { bearer, body });
          expect([answer.status, answer.body]).toMatchObject([201, { matches: 2 }]);
          const [isKnown, other, ...answers] = await Promise.all([
            reader.hasIncident(answer.body.id),
            reading.api.me(accessToken),
            ...sessions.map((session) => reading.api.me(session.accessToken)),
          ]);
          if (!isKnown) counts.naivelyAccepted++;
          for (const { status, body: refusal } of answers) {
            if (status === 200) counts.accepted++;
            else expect([status, refusal.code]).toEqual([401, 'session_revoked']);
          }
          others.push(other.status);
        }
      }),
    );
    const rows = await primary.query(`SELECT FROM incidents WHERE ended > 0 OR finished_at IS NOT NULL`);
    expect(rows).toHaveLength(0);
  } finally {
    await held.release();
    await reader.close();
    await set(standbys[0], 'RESET recovery_min_apply_delay');
  }
  const { standby } = await reading.answered();
  expect(counts.accepted).toBe(0);
  expect(counts.naivelyAccepted).toBeGreaterThan(0);
  expect(new Set(others)).toEqual(new Set([200]));
  expect(standby - before.standby).toBeGreaterThan(0);
}, 180_000);

it('While the primary is silent nothing is answered, although the standbys would', async () => {
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!);
  primary.pause();
  const { status, body, headers } = await reading.api.me(session!.accessToken);
  primary.resume();
  expect([status, body.code]).toEqual([503, 'service_unavailable']);
  expect(headers.get('retry-after')).toMatch(/^\d+$/);
  await until('it is answered', async () => (await reading.api.me(session!.accessToken)).status === 200);
}, 60_000);

it('A role that commits without waiting for the disk ends sessions as strictly', async () => {
  await primary.query(`ALTER ROLE ${ROLE} SET synchronous_commit = off`);
  const hasty = await start(
    asRole(primary),
    standbys.map((standby) => asRole(standby)),
  );
  const found = await end(await openSessions(primary, 500), { at: hasty });
  expect(found.accepted).toBe(0);
  expect(found.naivelyAccepted).toBeGreaterThan(0);
  await primary.query(`ALTER ROLE ${ROLE} RESET synchronous_commit`);
  await hasty.kill('SIGTERM');
}, 180_000);

it('A clock that differs from that of the primary by a second makes a standby say nothing', async () => {
  const [writer, standby] = await Promise.all([primary, standbys[0]].map(({ url }) => connected(url)));
  const position = await findPosition(writer!, await findLog(writer!));
  const at = (seconds: number): LogPosition => ({
    ...position,
    at: new Date(Date.parse(position.at) + seconds * 1000).toISOString(),
  });
  await primary.hasSent(standbys[0]);
  expect(await whyNot(standby!, at(0))).toBeNull();
  expect(await whyNot(standby!, at(60))).toBe('its clock differs from that of the primary');
  expect(await whyNot(standby!, at(-60))).toBe('its clock differs from that of the primary');
  await Promise.all([writer!.end(), standby!.end()]);
});

it('A start is refused with a URL of another database, and not with that of the primary, or of a server that is gone', async () => {
  await primary.query('CREATE DATABASE other');
  const urls = { DATABASE_URL: asRole(primary), DATABASE_READ_URLS: asRole(standbys[0], 'other') };
  await primary.hasSent(standbys[0]);
  expect(await refusedStart(urls)).toContain('is no standby of the database of DATABASE_URL');

  const instance = await start(asRole(primary), [asRole(primary), 'postgres://role:its-secret@127.0.0.1:1/postgres']);
  const [session] = await openSessions(primary, 1);
  expect((await instance.api.me(session!.accessToken)).status).toBe(200);
  expect(await instance.answered()).toEqual({ primary: 1, standby: 0 });
  expect(instance.output()).toContain('is not asked: it is a primary and not a standby');
  expect(instance.output()).toContain('The standby 127.0.0.1:1 is not asked:');
  expect(instance.output()).not.toContain('its-secret');
  await instance.kill('SIGTERM');
}, 60_000);

it('A standby says nothing to a role that may not see its timeline, until the role may', async () => {
  await primary.query(`REVOKE pg_read_all_stats FROM ${ROLE}`);
  for (const standby of standbys) await primary.hasSent(standby);
  const instance = await start(asRole(primary), [asRole(standbys[0])]);
  const sessions = await openSessions(primary, 100);
  const found = await end(sessions, { at: instance });
  expect(found).toMatchObject({ accepted: 0, byStandby: 0 });
  await untilSaid(instance, 'or this role lacks pg_read_all_stats', sessions);
  await primary.query(`GRANT pg_read_all_stats TO ${ROLE}`);
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!, instance);
  await instance.kill('SIGTERM');
}, 120_000);

it('A standby that another one sends the log is asked too, also after each of the three was started again', async () => {
  const last = await standbyOf(standbys[1]);
  const instance = await start(asRole(primary), [asRole(last)]);
  const found = await end(await openSessions(primary, 200), { at: instance, and: [last] });
  expect(found.accepted).toBe(0);
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!, instance);
  for (const cluster of [last, standbys[1], primary]) {
    await cluster.stop();
    await cluster.start();
    await until('it is answered', async () => (await instance.api.me(session!.accessToken)).status === 200);
    await untilAsked(session!, instance);
  }
  const again = await end(await openSessions(primary, 200), { at: instance, and: [last] });
  expect(again.accepted).toBe(0);
  await instance.kill('SIGTERM');
  await last.remove();
}, 180_000);

it('Statements that a standby cancels, and connections that it closes, are answered by the primary', async () => {
  const sessions = await openSessions(primary, 300);
  let isRunning = true;
  const disturbing = Promise.all(
    standbys.map(async (standby) => {
      for (let by = ['pg_cancel_backend', 'pg_terminate_backend']; isRunning; by = by.toReversed()) {
        await standby.query(`SELECT ${by[0]}(pid) FROM pg_stat_activity WHERE usename = '${ROLE}'`);
      }
    }),
  );
  const found = await end(sessions).finally(() => (isRunning = false));
  await disturbing;
  expect(found.accepted).toBe(0);
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!);
}, 120_000);

it('A standby whose replay is paused is not asked, and is once that goes on', async () => {
  const instance = await start(asRole(primary), [asRole(standbys[0])]);
  const sessions = await openSessions(primary, 100);
  await primary.hasSent(standbys[0]);
  await standbys[0].query('SELECT pg_wal_replay_pause()');
  const found = await end(sessions, { at: instance, and: [standbys[0]] });
  expect(found).toMatchObject({ accepted: 0, naivelyAccepted: 100, byStandby: 0 });
  await standbys[0].query('SELECT pg_wal_replay_resume()');
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!, instance);
  await instance.kill('SIGTERM');
}, 120_000);

it('A frozen standby hinders neither a start nor a stop', async () => {
  const instance = await start(asRole(primary), [asRole(standbys[0])]);
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!, instance);
  standbys[0].pause();
  try {
    const other = await start(asRole(primary), [asRole(standbys[0])]);
    expect((await other.api.me(session!.accessToken)).status).toBe(200);
    // 1 where it was given up.
    expect(await instance.kill('SIGTERM')).toBe(0);
    expect(await other.kill('SIGTERM')).toBe(0);
  } finally {
    standbys[0].resume();
  }
}, 120_000);

it('The tables are in DATABASE_SCHEMA at standbys too', async () => {
  const DATABASE_SCHEMA = 'of_another_service';
  await runMigrateWith({ MIGRATION_DATABASE_URL: primary.url, DATABASE_URL: primary.servingUrl, DATABASE_SCHEMA });
  const instance = await start(asRole(primary), [asRole(standbys[0])], { DATABASE_SCHEMA });
  const session = await instance.api.signUp();
  await untilAsked(session, instance);
  expect((await instance.api.call('POST', '/auth/logout', { bearer: session.accessToken, body: {} })).status).toBe(204);
  expect((await instance.api.me(session.accessToken)).status).toBe(401);
  await instance.kill('SIGTERM');
}, 60_000);

it('A standby whose connection is lost while the primary does not say which database it has is connected again', async () => {
  const writer = await connected(primary.url);
  const log = await findLog(writer);
  const asked: ((database: string) => void)[] = [];
  const application = 'a-lost-one';
  const options = { connectionString: standbys[0].url, application_name: application, query_timeout: 2000 };
  const standby = new Standby({ ...options, isToStandby: true }, () => new Promise((resolve) => asked.push(resolve)));
  const opened = standby.open();
  await until('the primary is asked', () => asked.length === 1);
  await until('it is idle', async () => {
    const rows = await standbys[0].query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE '%pg_backend_pid%'
         AND state = 'idle'`,
      [application],
    );
    return rows.length === 1;
  });
  await until('it is gone', async () => {
    const rows = await standbys[0].query(`SELECT FROM pg_stat_activity WHERE application_name = $1`, [application]);
    return rows.length === 0;
  });
  asked[0]!(log.database);
  await opened;
  expect(standby.isReady).toBe(false);
  await until('it answers', async () => {
    asked.at(-1)!(log.database);
    const position = await findPosition(writer, log);
    return (await standby.read(position, { text: 'SELECT 1' }).catch(() => [])).length === 1;
  });
  await standby.close();
  await writer.end();
}, 60_000);

it('What is committed by the time the primary says its position is in what a standby answers', async () => {
  await primary.query('CREATE TABLE notes ()');
  const writer = await connected(primary.url);
  const log = await findLog(writer);
  const config = loadConfig({ ...SECRETS, DATABASE_URL: primary.url, DATABASE_READ_URLS: standbys[0].url });
  const findLate = async () => {
    await writer.query('INSERT INTO notes DEFAULT VALUES');
    return findPosition(writer, log);
  };
  // The position is all that it is asked for.
  const reserved = { isPooledByTransaction: false, findPosition: findLate } as ReservedConnections;
  const asking = new Standbys(reserved, config);
  await asking.onApplicationBootstrap();
  for (let answers = 0; answers < 20;) {
    const answer = await asking.read<{ count: string }>('notes', sql`SELECT count(*) FROM notes`, TIMES_AS_WRITTEN);
    const [written] = (await writer.query<{ count: string }>('SELECT count(*) FROM notes')).rows;
    if (answer) expect(answer.rows).toEqual([written]);
    if (answer) answers++;
    await until('it can be asked', () => asking.areReady);
  }
  await asking.onApplicationShutdown();
  await writer.end();
}, 60_000);

it('A standby does not answer for a primary of another database, which may have the same timeline and positions', async () => {
  const writer = await connected(primary.url);
  const log = await findLog(writer);
  const options = { connectionString: standbys[0].url, query_timeout: 2000, isToStandby: true };
  const standby = new Standby(options, () => Promise.resolve(log.database));
  await standby.open();
  const since = { ...(await findPosition(writer, log)), database: '7345678901234567890/5' };
  await expect(standby.read(since, { text: 'SELECT 1' })).rejects.toThrow('it is of another database than the primary');
  await standby.close();
  await writer.end();
}, 60_000);

it('Neither a deposed primary nor the new one takes the word of a standby that follows the other one', async () => {
  const [next, follower, leftBehind] = [await standbyOf(primary), await standbyOf(primary), await standbyOf(primary)];
  await set(follower, `SET primary_conninfo = '${next.url}'`, `SET restore_command = 'false'`);
  await until('it streams from the other one', async () => {
    const rows = await follower.query(
      `SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND sender_port = $1`,
      [next.port],
    );
    return rows.length === 1;
  });
  const [atDeposed, atNext] = [await openSessions(primary, 200), await openSessions(primary, 200)];
  for (const standby of [next, follower]) await primary.hasSent(standby);
  await set(next, `SET primary_conninfo = ''`, `SET restore_command = 'false'`);
  await next.promote();
  await getAhead(next);
  await next.hasSent(follower);

  const former = await start(asRole(primary), [asRole(follower)]);
  const found = await end(atDeposed, { at: former, and: [follower] });
  expect(found).toMatchObject({ accepted: 0, naivelyAccepted: 200, byStandby: 0 });
  await untilSaid(former, 'is not asked: it is on another timeline', atDeposed);
  await former.kill('SIGTERM');

  await getAhead(primary);
  await getAhead(primary);
  await primary.hasSent(leftBehind);
  const latter = await start(asRole(next), [asRole(leftBehind)], { RESTORED: 'acknowledged' });
  const again = await end(atNext, { at: latter, of: next, and: [leftBehind] });
  expect(again).toMatchObject({ accepted: 0, naivelyAccepted: 200, byStandby: 0 });
  await untilSaid(latter, 'is not asked: it is on another timeline', atNext);
  await latter.kill('SIGTERM');
  await Promise.all([next, follower, leftBehind].map((cluster) => cluster.remove()));
}, 180_000);

it('A standby that is promoted meanwhile is not asked any more', async () => {
  const promoted = await standbyOf(primary);
  const instance = await start(asRole(primary), [asRole(promoted)]);
  const [session] = await openSessions(primary, 1);
  await untilAsked(session!, instance);
  const sessions = await openSessions(primary, 300);
  await primary.hasSent(promoted);
  await promoted.promote();
  const found = await end(sessions, { at: instance, and: [promoted] });
  expect(found).toMatchObject({ accepted: 0, naivelyAccepted: 300, byStandby: 0 });
  await untilSaid(instance, 'is not asked: it was promoted', sessions);
  await instance.kill('SIGTERM');
}, 120_000);

it('After a failover a standby that was left behind on the former timeline is not asked, and one that follows is', async () => {
  const sessions = await openSessions(primary, 300);
  const [next, leftBehind] = standbys;
  await primary.hasSent(next);
  await set(next, `SET primary_conninfo = ''`, `SET restore_command = 'false'`);
  // The other one gets further than the new primary will be for a while.
  await getAhead(primary);
  await primary.hasSent(leftBehind);
  await reading.kill('SIGTERM');
  await primary.stop('crash');
  await next.promote();
  const follower = await standbyOf(next);

  const instance = await start(asRole(next), [asRole(leftBehind)], { RESTORED: 'acknowledged' });
  const found = await end(sessions, { at: instance, of: next, and: [leftBehind] });
  expect(found).toMatchObject({ accepted: 0, naivelyAccepted: 300, byStandby: 0 });
  await untilSaid(instance, 'is not asked: it shows no timeline', sessions);

  const both = await start(
    asRole(next),
    [leftBehind, follower].map((standby) => asRole(standby)),
    { RESTORED: 'acknowledged' },
  );
  const [session] = await openSessions(next, 1);
  await untilAsked(session!, both);
  const again = await end(await openSessions(next, 300), { at: both, of: next, and: [leftBehind, follower] });
  expect(again.accepted).toBe(0);
  expect(again.byStandby).toBeGreaterThan(0);
}, 180_000);
