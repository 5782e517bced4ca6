import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { type Api, type AuthResult, PASSWORD } from '../support/api.js';
import { addClient, signUpStaff } from '../support/clients.js';
import { type Devices, seedDevices } from '../support/devices.js';
import { EventStream } from '../support/event-stream.js';
import { holdBatches, holdTransaction } from '../support/held-batches.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { Introspector } from '../support/introspection.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';

const t = useInstances(2);
const run = promisify(execFile);
let staff: AuthResult;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
});

interface Progress {
  readonly id: string;
  readonly matches: number;
  readonly ended: number;
  readonly finishedAt: string | null;
}

const post = (where: unknown, others: Record<string, unknown> = {}, { accessToken } = staff) =>
  t.a.call('POST', '/admin/incidents', { bearer: accessToken, body: { where, reason: 'a test', ...others } });

async function open(where: Record<string, unknown>): Promise<Progress> {
  const { status, body } = await post(where);
  expect([status, body]).toEqual([201, { id: expect.any(String), matches: expect.any(Number) }]);
  return body;
}

const progressOf = async (id: string, api: Api = t.b) =>
  (await api.call<Progress>('GET', `/admin/incidents/${id}`, { bearer: staff.accessToken })).body;

const finished = (id: string) =>
  until('the incident is finished', async () => {
    const progress = await progressOf(id);
    return progress.finishedAt !== null && progress;
  });

const whose = (...all: Devices[]) => ({ userIds: all.map(([{ user }]) => user.id) });

/** What each instance says about a device: nothing if it is trusted. */
async function refusals({ accessToken }: Pick<AuthResult, 'accessToken'>): Promise<(string | undefined)[]> {
  return Promise.all([t.a, t.b].map(async (api) => (await api.me(accessToken)).body.code));
}
const TRUSTED = [undefined, undefined];
const REVOKED = ['session_revoked', 'session_revoked'];

const endsOf = ([{ user }]: Devices) =>
  t.database.query<{ id: string; reason: string | null; by: string | null; lines: number }>(
    `SELECT s.id, s.revoked_reason AS reason, s.revoked_by AS by, (
       SELECT count(*)::integer FROM audit_events a WHERE a.session_id = s.id AND a.type = 'session_revoked') AS lines
     FROM sessions s WHERE s.user_id = $1 ORDER BY s.created_at, s.id`,
    [user.id],
  );

it('An incident ends every session that it matches with its line in the audit trail, and no other', async () => {
  const devices = await seedDevices(t.database, [t.a, t.b], 7);
  const others = await seedDevices(t.database, [t.a, t.b], 2);
  const { id, matches } = await open(whose(devices));
  expect(matches).toBe(7);
  for (const device of devices) expect(await refusals(device)).toEqual(REVOKED);
  for (const device of others) expect(await refusals(device)).toEqual(TRUSTED);

  expect(await finished(id)).toMatchObject({
    id,
    where: whose(devices),
    reason: 'a test',
    openedBy: staff.user.id,
    matches: 7,
    ended: 7,
    startedAt: expect.any(String),
  });
  for (const end of await endsOf(devices)) {
    expect(end).toMatchObject({ reason: 'incident', by: staff.user.id, lines: 1 });
  }
  for (const device of [...devices, ...others].slice(0, 7)) expect(await refusals(device)).toEqual(REVOKED);
  for (const device of others) expect(await refusals(device)).toEqual(TRUSTED);
  const lines = await t.database.query<{ type: string; actor_id: string; note: string }>(
    `SELECT type, actor_id, note FROM audit_events WHERE note LIKE $1 || '%' ORDER BY at, type DESC`,
    [id],
  );
  expect(lines).toEqual([
    { type: 'incident_opened', actor_id: staff.user.id, note: `${id}: a test {"userIds":1}` },
    { type: 'incident_finished', actor_id: staff.user.id, note: `${id}: 7 sessions` },
  ]);
});

it('A preview says how many sessions an incident would end, and ends none', async () => {
  const devices = await seedDevices(t.database, [t.a], 3);
  const { status, body } = await post(whose(devices), { dryRun: true });
  expect([status, body]).toEqual([200, { matches: 3 }]);
  for (const device of devices) expect(await refusals(device)).toEqual(TRUSTED);
});

it('A preview that takes too long says null and ends none, and an incident goes on uncounted', async () => {
  const devices = await seedDevices(t.database, [t.a], 2);
  const hasty = await startInstance({ env: { DATABASE_URL: t.database.url, DATABASE_STATEMENT_TIMEOUT_MS: '1000' } });
  const held = await holdBatches(t.database);
  // As slow as a million rows are.
  const [row] = await t.database.query<{ source: string }>(
    `SELECT pg_get_functiondef('is_in_network'::regproc) AS source`,
  );
  const source = row!.source;
  await t.database.query(source.replace('BEGIN', 'BEGIN PERFORM pg_sleep(1);'));
  try {
    const body = { where: { network: '127.0.0.0/8', ...whose(devices) }, reason: 'a test' };
    const ask = (others = {}) =>
      hasty.api.call('POST', '/admin/incidents', { bearer: staff.accessToken, body: { ...body, ...others } });
    const preview = await ask({ dryRun: true });
    expect([preview.status, preview.body]).toEqual([200, { matches: null }]);
    expect(await refusals(devices[0])).toEqual(TRUSTED);
    const opened = await ask();
    await t.database.query(source);
    expect([opened.status, opened.body]).toEqual([201, { id: expect.any(String), matches: null }]);
    expect(await refusals(devices[0])).toEqual(REVOKED);
    await held.release();
    expect(await finished(opened.body.id)).toMatchObject({ matches: 2, ended: 2 });
  } finally {
    await t.database.query(source);
    await held.release();
    await hasty.kill('SIGTERM');
  }
});

describe('before any row is ended', () => {
  let devices: Devices;
  let others: Devices;
  let held: Awaited<ReturnType<typeof holdBatches>>;
  let id: string;
  let introspector: Introspector;

  beforeAll(async () => {
    introspector = new Introspector(t.a, await addClient(t.a, staff, 'introspect', 'verify'));
    devices = await seedDevices(t.database, [t.a, t.b], 8);
    others = await seedDevices(t.database, [t.a, t.b], 2);
    held = await holdBatches(t.database);
    ({ id } = await open(whose(devices)));
  }, 60_000);

  afterEach(async () => {
    expect((await endsOf(devices)).filter(({ reason }) => reason === 'incident')).toEqual([]);
    expect(await progressOf(id)).toMatchObject({ matches: 8, ended: 0, finishedAt: null });
  });

  afterAll(async () => {
    await held.release();
    await finished(id);
  });

  it('No session of an incident can be refreshed, and others can', async () => {
    const { status, body } = await devices[0]!.refresh(t.b);
    expect([status, body.code]).toEqual([401, 'session_revoked']);
    expect((await others[0]!.refresh(t.b)).status).toBe(200);
  });

  it('No session of an incident can log out or end others, and others can', async () => {
    expect((await t.a.logout(devices[2]!.refreshToken)).status).toBe(400);
    expect((await t.b.logoutAll(devices[2]!.refreshToken)).body.code).toBe('session_revoked');
    expect((await t.b.logoutOthers(devices[2]!.accessToken)).body.code).toBe('session_revoked');
    expect((await t.b.logoutOthers(others[0]!.accessToken)).status).toBe(200);
  });

  it('Introspection and proxies are answered that a session of an incident is over, and others are not', async () => {
    const tokens = [devices[3]!, others[0]!].map(({ accessToken }) => accessToken);
    const { body } = await introspector.batch(tokens);
    expect(body.results.map(({ active }: { active: boolean }) => active)).toEqual([false, true]);
    expect(await Promise.all(tokens.map((token) => introspector.isActive(token)))).toEqual([false, true]);
    expect(await introspector.isActive(devices[3]!.refreshToken)).toBe(false);
    const verdicts = await Promise.all(tokens.map((bearer) => t.b.call('GET', '/verify', { bearer })));
    expect(verdicts.map(({ status }) => status)).toEqual([401, 200]);
  });

  it('A session that is opened while an incident runs is trusted, and lists no other of its user', async () => {
    const again = await t.b.signIn({ email: devices[0]!.user.email, password: PASSWORD });
    expect(await refusals(again)).toEqual(TRUSTED);
    const { body } = await t.a.sessions(again.accessToken);
    expect(body.items.map((item) => item.id)).toEqual([again.session.id]);
    expect((await t.a.logout(again.refreshToken)).status).toBe(204);
  });
});

it('Sessions are picked by when they were opened, by when their user authenticated, by role and by network', async () => {
  const at = (minutes: number) => new Date(Date.UTC(2026, 0, 1, 12, minutes)).toISOString();
  const devices = await seedDevices(t.database, [t.a], 8);
  const set = (index: number, columns: string, ...values: unknown[]) =>
    t.database.query(`UPDATE sessions SET ${columns} WHERE id = $1`, [devices[index]!.session.id, ...values]);
  await set(0, 'created_at = $2', at(1));
  await set(1, 'created_at = $2', at(2));
  await set(2, 'authenticated_at = $2', at(1));
  await set(3, `ip = '203.0.113.9'`);
  await set(4, `ip = '2001:db8::7'`);
  await set(5, `ip = ''`);
  await set(6, `ip = '999.1.1.1'`);
  const only = whose(devices);
  const count = async (where: Record<string, unknown>) => {
    const { status, body } = await post({ ...only, ...where }, { dryRun: true });
    expect([where, status]).toEqual([where, 200]);
    return body.matches;
  };
  const counts: [where: Record<string, unknown>, matches: number][] = [
    [{ createdBefore: at(1) }, 0],
    [{ createdBefore: at(2) }, 1],
    [{ createdAfter: at(2), createdBefore: at(3) }, 1],
    [{ createdAfter: at(2) }, 7],
    [{ authenticatedBefore: at(2) }, 1],
    [{ role: 'admin' }, 0],
    [{ role: 'user' }, 8],
    [{ network: '203.0.113.0/24' }, 1],
    [{ network: '203.0.113.77/24' }, 1],
    [{ network: '203.0.113.9' }, 1],
    [{ network: '203.0.113.8' }, 0],
    [{ network: '2001:db8::/32' }, 1],
    [{ network: '0.0.0.0/0' }, 5],
    [{ network: '203.0.113.0/24', createdBefore: at(2) }, 0],
    [{}, 8],
  ];
  for (const [where, matches] of counts) expect([where, await count(where)]).toEqual([where, matches]);

  for (const [where, index] of [
    [{ createdBefore: at(2) }, 0],
    [{ authenticatedBefore: at(2) }, 2],
    [{ network: '2001:db8::/32' }, 4],
  ] as const) {
    const { id } = await open({ ...only, ...where });
    expect(await finished(id)).toMatchObject({ where, ended: 1 });
    expect((await endsOf(devices)).filter(({ reason }) => reason)).toContainEqual(
      expect.objectContaining({ id: devices[index]!.session.id, lines: 1 }),
    );
  }
  expect((await endsOf(devices)).filter(({ reason }) => reason)).toHaveLength(3);
});

it('A session that was opened before an incident, and committed during it, belongs to it', async () => {
  const devices = await seedDevices(t.database, [t.a], 2);
  const id = randomUUID();
  const held = await holdBatches(
    t.database,
    `WITH opened AS (
       INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, idle_expires_at, expires_at)
       SELECT '${id}', user_id, '\\x00', delivery, '', '127.0.0.1', idle_expires_at, expires_at FROM sessions
       WHERE id = '${devices[0]!.session.id}' RETURNING *
     )
     INSERT INTO audit_events (type, outcome, user_id, session_id)
     SELECT 'session_created', 'success', user_id, id FROM opened`,
  );
  const incident = await open(whose(devices));
  expect(incident.matches).toBe(2);
  // Several looks of both instances for something to do.
  const [before] = await waits(incident.id);
  expect(before!.waits).toHaveLength(1);
  expect(await progressOf(incident.id)).toMatchObject({ ended: 0, finishedAt: null });
  await held.release();
  expect(await finished(incident.id)).toMatchObject({ matches: 2, ended: 3 });
  expect(await endsOf(devices)).toContainEqual(expect.objectContaining({ id, reason: 'incident', lines: 1 }));
});

const waits = (id: string) =>
  until('an instance waits', async () => {
    const rows = await t.database.query<{ waits: string[] }>(
      `SELECT waits_for AS waits FROM incidents WHERE id = $1 AND waits_for IS NOT NULL`,
      [id],
    );
    return rows.length > 0 && rows;
  });

const changeRole = (command: 'admin-grant' | 'admin-revoke', email: string) =>
  run(process.execPath, [`dist/bin/${command}.js`, email], {
    env: { ...process.env, ...SECRETS, DATABASE_URL: t.database.url },
  });

it('A session of an incident about a role is not trusted again when its user gets another role meanwhile', async () => {
  const admin = await signUpStaff(t.a, t.database);
  const held = await holdBatches(t.database);
  const { id } = await open({ role: 'admin', userIds: [admin.user.id] });
  expect(await refusals(admin)).toEqual(REVOKED);
  await changeRole('admin-revoke', admin.user.email);
  expect(await refusals(admin)).toEqual(REVOKED);
  await held.release();
  await finished(id);
  expect(await refusals(admin)).toEqual(REVOKED);
});

it('A session whose user gets the role that an incident is about ends for good', async () => {
  const [device, other] = await seedDevices(t.database, [t.a], 2);
  const held = await holdBatches(t.database);
  const { id, matches } = await open({ role: 'admin', userIds: [device.user.id] });
  expect(matches).toBe(0);
  expect(await refusals(device)).toEqual(TRUSTED);
  await changeRole('admin-grant', device.user.email);
  expect(await refusals(device)).toEqual(REVOKED);
  await held.release();
  await finished(id);
  for (const each of [device, other]) expect(await refusals(each)).toEqual(REVOKED);
});

it('A role does not change while an incident is being opened that is about it', async () => {
  const admin = await signUpStaff(t.a, t.database);
  const opening = await holdTransaction(
    t.database,
    `INSERT INTO incidents (at, reason, role, user_ids)
     VALUES (clock_timestamp(), 'a test', 'admin', ARRAY['${admin.user.id}'::uuid])`,
  );
  const change = changeRole('admin-revoke', admin.user.email);
  await until('the change waits', async () => {
    const waiting = await t.database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
       AND query LIKE 'LOCK TABLE incidents%'`,
    );
    return waiting.length > 0;
  });
  await opening.release();
  await change;
  expect(await refusals(admin)).toEqual(REVOKED);
});

it('The session of the admin who opens an incident ends too where it matches', async () => {
  const admin = await signUpStaff(t.a, t.database);
  const { status } = await post({ userIds: [admin.user.id] }, {}, admin);
  expect(status).toBe(201);
  expect(await refusals(admin)).toEqual(REVOKED);
});

it('Streams of the sessions of an incident end at once, also where its rows are not ended yet', async () => {
  const others = await seedDevices(t.database, [t.a], 2);
  const untouched = await EventStream.open(t.b, others[0]!.accessToken);
  const commentsBefore = untouched.comments.length;
  const held = await holdBatches(t.database);
  const ids: string[] = [];
  // All sessions are looked at every half a minute besides, which can be the next moment for one incident alone.
  for (let round = 0; round < 3; round++) {
    const devices = await seedDevices(t.database, [t.a, t.b], 6);
    const streams = await Promise.all(
      devices.slice(1).map(({ accessToken }, i) => EventStream.open(i % 2 ? t.a : t.b, accessToken)),
    );
    const { id } = await open(whose(devices));
    ids.push(id);
    for (const [i, stream] of streams.entries()) {
      const last = await stream.ended();
      expect([last?.type, last?.data]).toMatchObject([
        'session.revoked',
        { id: devices[i + 1]!.session.id, reason: 'incident' },
      ]);
    }
    expect((await endsOf(devices)).map(({ reason }) => reason)).toEqual(devices.map(() => null));
  }
  // One comes every 15 seconds.
  expect(untouched.comments.length - commentsBefore).toBeLessThanOrEqual(1);
  await held.release();
  for (const id of ids) await finished(id);
  expect(untouched.endedAt).toBeNull();
  untouched.close();
});

it('An incident that some process has in hand keeps no other one waiting', async () => {
  const [some, others] = [await seedDevices(t.database, [t.a], 2), await seedDevices(t.database, [t.a], 2)];
  const held = await holdBatches(t.database);
  const one = await open(whose(some));
  const other = await open(whose(others));
  const inHand = await holdTransaction(t.database, `SELECT FROM incidents WHERE id = '${one.id}' FOR UPDATE`);
  await held.release();
  expect(await finished(other.id)).toMatchObject({ ended: 2 });
  expect(await progressOf(one.id)).toMatchObject({ ended: 0, finishedAt: null });
  await inHand.release();
  expect(await finished(one.id)).toMatchObject({ ended: 2 });
});

it('Two incidents of the same filter both finish, and end each session once', async () => {
  const devices = await seedDevices(t.database, [t.a], 5);
  const [one, other] = [await open(whose(devices)), await open(whose(devices))];
  const ended = await Promise.all([finished(one.id), finished(other.id)]);
  expect(ended[0].ended + ended[1].ended).toBe(5);
  for (const { lines } of await endsOf(devices)) expect(lines).toBe(1);
});

it.each<[what: string, body: unknown, field: string]>([
  ['no filter', { reason: 'x' }, 'where'],
  ['a filter that is no object', { where: 'all', reason: 'x' }, 'where'],
  ['a filter that is a list', { where: [], reason: 'x' }, 'where'],
  ['no reason', { where: {} }, 'reason'],
  ['an unknown role', { where: { role: 'root' }, reason: 'x' }, 'where.role'],
  ['a time that is none', { where: { createdBefore: 'yesterday' }, reason: 'x' }, 'where.createdBefore'],
  ['a null', { where: { network: null }, reason: 'x' }, 'where.network'],
  ['a network that is none', { where: { network: '203.0.113.0/33' }, reason: 'x' }, 'where.network'],
  ['a network with a zone', { where: { network: 'fe80::1%eth0' }, reason: 'x' }, 'where.network'],
  ['an IPv4 network in IPv6', { where: { network: '::ffff:203.0.113.0/120' }, reason: 'x' }, 'where.network'],
  ['no users', { where: { userIds: [] }, reason: 'x' }, 'where.userIds'],
  ['a user that is no id', { where: { userIds: ['x'] }, reason: 'x' }, 'where.userIds'],
  [
    'too many users',
    { where: { userIds: Array.from({ length: 201 }, () => randomUUID()) }, reason: 'x' },
    'where.userIds',
  ],
  ['a client, of which sessions have none', { where: { clientId: randomUUID() }, reason: 'x' }, 'where.clientId'],
  ['a field that is not known', { where: { email: 'x' }, reason: 'x' }, 'where.email'],
  ['a field that every object has', { where: { hasOwnProperty: 1 }, reason: 'x' }, 'hasOwnProperty'],
  ['a class', { where: { constructor: 1, createdBefore: 'x' }, reason: 'x' }, 'constructor'],
  ['a preview that is neither', { where: {}, reason: 'x', dryRun: 'yes' }, 'dryRun'],
])('An incident with %s is refused, and ends nothing', async (_, body, field) => {
  const answer = await t.a.call('POST', '/admin/incidents', { bearer: staff.accessToken, body });
  expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed']);
  expect(answer.body.errors.map((error: { field: string }) => error.field)).toEqual([field]);
});

it('Only admins open incidents or see them', async () => {
  const user = await t.a.signUp();
  expect((await post({}, {}, user)).body.code).toBe('forbidden');
  const { status } = await t.a.call('GET', `/admin/incidents/${randomUUID()}`, { bearer: user.accessToken });
  expect(status).toBe(403);
  for (const id of [randomUUID(), 'none']) {
    const answer = await t.a.call('GET', `/admin/incidents/${id}`, { bearer: staff.accessToken });
    expect([answer.status, answer.body.code]).toEqual([404, 'incident_not_found']);
  }
});

describe('npm run sessions:revoke', () => {
  const settings = () => ({ ...process.env, ...SECRETS, DATABASE_URL: t.database.url });
  const command = (args: string[], env: Record<string, string> = {}) =>
    run(process.execPath, ['dist/bin/sessions-revoke.js', ...args], { env: { ...settings(), ...env } }).then(
      ({ stdout }) => ({ code: 0, output: stdout }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
        code,
        output: stdout + stderr,
      }),
    );

  it('The command does nothing where it is not clear what is asked, or nobody can be', async () => {
    for (const args of [
      [],
      ['--yes'],
      ['--before', 'yesterday', '--yes'],
      ['--before', '2026-01-01', '--role', 'x', '--yes'],
      ['--before', '2026-01-01'],
    ]) {
      const { code, output } = await command(args);
      expect([args, code, output]).toEqual([args, 2, expect.stringContaining('npm run sessions:revoke')]);
    }
    expect(await t.database.query(`SELECT FROM incidents WHERE opened_by IS NULL AND reason <> 'a test'`)).toEqual([]);
  });

  it('The command ends the sessions that were opened before a time, and says how many', async () => {
    const devices = await seedDevices(t.database, [t.a], 4);
    for (const { session } of devices.slice(1)) {
      await t.database.query(`UPDATE sessions SET created_at = '2025-06-01T00:00:00Z' WHERE id = $1`, [session.id]);
    }
    const { code, output } = await command(['--before', '2025-06-02', '--role', 'user', '--yes']);
    expect([code, output]).toEqual([0, expect.stringContaining('Sessions ended: 3.')]);
    expect(output).toContain('users with the role user that were opened before 2025-06-02T00:00:00.000Z');
    const ends = await endsOf(devices);
    expect(ends.filter(({ reason, by }) => reason === 'incident' && by === null)).toHaveLength(3);
    expect(await refusals(devices[0])).toEqual(TRUSTED);
  });

  it('The command ends sessions also where they are too many to be counted', async () => {
    const [device, old] = await seedDevices(t.database, [t.a], 2);
    await t.database.query(`UPDATE sessions SET created_at = '2025-06-01T00:00:00Z' WHERE id = $1`, [old.session.id]);
    const args = ['--before', '2025-06-02', '--role', 'user', '--reason', 'uncounted', '--yes'];
    const locked = await holdTransaction(t.database, 'LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
    const done = command(args, { DATABASE_STATEMENT_TIMEOUT_MS: '1000' });
    await until('the incident is open', async () => {
      const opened = await t.database.query(`SELECT FROM incidents WHERE reason = 'uncounted'`);
      return opened.length > 0;
    });
    await locked.release();
    const { code, output } = await done;
    expect([code, output]).toEqual([0, expect.stringContaining('Sessions ended: 1.')]);
    expect(output).toContain('they are too many to be counted quickly.');
    expect(await refusals(old)).toEqual(REVOKED);
    expect(await refusals(device)).toEqual(TRUSTED);
  });
});
