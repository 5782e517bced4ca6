import { signUpStaff } from '../support/clients.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { EventStream } from '../support/event-stream.js';
import { type Instance, startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { until } from '../support/until.js';
import { seedDevices } from '../support/devices.js';

// One instance ends the rows of an incident and is killed (SIGKILL) in the middle of it; another goes on.
const t = useInstances(1, { hasMissingRows: true, hasFaults: true });
const MANY = 20_000;
// More than one batch reads.
const OTHERS = 12_000;
const STREAMS = 40;

/** People with a session each, of which the audit trail has its line. */
const insertMany = (count: number, ip: string) =>
  t.database.query(
    `WITH owners AS (
       INSERT INTO users (email, password_hash)
       SELECT gen_random_uuid() || '@example.com', 'x' FROM generate_series(1, ${count}) RETURNING id
     ), opened AS (
       INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, expires_at, idle_expires_at)
       SELECT gen_random_uuid(), id, sha256(uuid_send(id)), 'body', '', '${ip}', now() + interval '1 day', now() + interval '1 day'
       FROM owners RETURNING id, user_id
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id)
     SELECT 'session_created', 'success', user_id, id FROM opened`,
  );

const progress = async (id: string) => {
  const [row] = await t.database.query<{ matches: number; ended: number; isFinished: boolean }>(
    `SELECT matches, ended, finished_at IS NOT NULL AS "isFinished" FROM incidents WHERE id = $1`,
    [id],
  );
  return row!;
};

let doomed: Instance;
let proxy: DatabaseProxy;

beforeAll(async () => {
  proxy = await startDatabaseProxy(t.database.url);
  doomed = await startInstance({ env: { DATABASE_URL: proxy.url } });
}, 60_000);

afterAll(async () => {
  await doomed.kill('SIGKILL');
  proxy.stop();
});

it('What an instance that is killed leaves of an incident another ends: each session once, and no other', async () => {
  await insertMany(MANY, '192.0.2.1');
  await insertMany(OTHERS, '198.51.100.1');
  const staff = await signUpStaff(t.a, t.database);
  const streams = await Promise.all(
    Array.from({ length: STREAMS / 2 }, async (_, i) => {
      const [first, second] = await seedDevices(t.database, [t.a], 2);
      const api = i % 2 ? t.a : doomed.api;
      return [await EventStream.open(api, first.accessToken), await EventStream.open(t.a, second.accessToken)];
    }),
  );
  const [untouched] = await seedDevices(t.database, [t.a], 2);
  await t.database.query(`UPDATE sessions SET ip = '203.0.113.1' WHERE user_id = ANY($1::uuid[])`, [
    [untouched.user.id, staff.user.id],
  ]);
  await t.database.query(`UPDATE sessions SET ip = '192.0.2.2' WHERE ip LIKE '127.%'`);
  // The other does nothing until the first is dead.
  t.instances[0]!.process.kill('SIGSTOP');
  const { status, body } = await doomed.api.call('POST', '/admin/incidents', {
    bearer: staff.accessToken,
    body: { where: { network: '192.0.2.0/24' }, reason: 'a drill' },
  });
  expect([status, body.matches]).toEqual([201, MANY + STREAMS]);
  await until('some are ended, and more are being', async () => {
    const batches = await t.database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%matching AS M%'
       AND pid <> pg_backend_pid()`,
    );
    return batches.length > 0 && (await progress(body.id)).ended > 0;
  });
  await doomed.kill('SIGKILL');
  const killedAt = await progress(body.id);
  t.instances[0]!.process.kill('SIGCONT');
  expect(killedAt).toMatchObject({ isFinished: false });
  expect(killedAt.ended).toBeLessThan(MANY);

  await until('all are ended', async () => (await progress(body.id)).isFinished, 120);
  expect(await progress(body.id)).toMatchObject({ matches: MANY + STREAMS, ended: MANY + STREAMS });
  const [counts] = await t.database.query(
    `SELECT (SELECT count(*)::integer FROM sessions WHERE revoked_reason = 'incident') AS ended,
       (SELECT count(*)::integer FROM sessions WHERE revoked_at IS NULL) AS active,
       (SELECT count(*)::integer FROM audit_events WHERE type = 'session_revoked') AS lines,
       (SELECT count(DISTINCT session_id)::integer FROM audit_events WHERE type = 'session_revoked') AS sessions`,
  );
  const ended = MANY + STREAMS;
  expect(counts).toEqual({ ended, active: 3 + OTHERS, lines: ended, sessions: ended });
  for (const [, atOther] of streams) {
    const last = await atOther!.ended();
    expect([last?.type, last?.data.reason]).toEqual(['session.revoked', 'incident']);
  }
  expect((await t.a.me(untouched.accessToken)).status).toBe(200);
}, 240_000);
