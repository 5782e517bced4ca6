import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { type Answer, type AuthResult, cookieOf } from '../support/api.js';
import { startInstance } from '../support/instance.js';
import { useMailedInstances } from '../support/mailed-instances.js';
import { SECRETS } from '../support/secrets.js';

const STAFF_MAIL = 'Our staff logged you out';
let staff: AuthResult & { credentials: { email: string } };
const t = useMailedInstances(2, {
  // Patient, for a machine that is busy with something else: refusals come 60 at once here.
  env: { SESSION_CHECK_TIMEOUT_MS: '20000' },
});
beforeAll(async () => {
  staff = await t.a.signUp();
  expect(grant(staff.credentials.email.toUpperCase())).toContain('is an admin');
});

const grant = (email: string) =>
  execFileSync(process.execPath, ['dist/bin/admin-grant.js', email], {
    env: { ...process.env, ...SECRETS, DATABASE_URL: t.database.url },
    encoding: 'utf8',
  });

const asStaff = (method: string, path: string, body?: unknown): Promise<Answer> =>
  t.a.call(method, path, { bearer: staff.accessToken, ...(body !== undefined && { body }) });

/** A user with twenty devices in both deliveries, at both instances. */
async function userWithDevices() {
  const user = await t.a.signUp();
  const devices = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const isCookie = i % 4 > 1;
      const answer = await (i % 2 ? t.a : t.b).login({
        ...user.credentials,
        ...(isCookie && { tokenDelivery: 'cookie' }),
      });
      return { ...answer.body, cookie: isCookie ? cookieOf(answer) : null };
    }),
  );
  return { user, devices: [{ ...user, cookie: null }, ...devices] };
}

async function expectAllEnded(devices: Awaited<ReturnType<typeof userWithDevices>>['devices']): Promise<void> {
  for (const [i, { accessToken, refreshToken, cookie }] of devices.entries()) {
    const api = i % 2 ? t.a : t.b;
    expect((await api.me(accessToken)).body.code).toBe('session_revoked');
    const refreshed = cookie ? await api.refreshByCookie(cookie) : await api.refresh(refreshToken);
    expect(refreshed.body.code).toBe('session_revoked');
  }
}

const actionsOf = (userId: string) =>
  t.database.query<{ type: string; actor_id: string; note: string | null }>(
    `SELECT type, actor_id, note FROM audit_events
     WHERE user_id = $1 AND (type LIKE '%staff' OR type IN ('user_disabled', 'user_enabled')) ORDER BY at, id`,
    [userId],
  );

const ROUTES: [method: string, path: string][] = [
  ['GET', '/admin/users'],
  ['GET', `/admin/users/${randomUUID()}/sessions`],
  ['POST', `/admin/users/${randomUUID()}/sessions/revoke`],
  ['POST', `/admin/sessions/${randomUUID()}/revoke`],
  ['POST', `/admin/users/${randomUUID()}/disable`],
  ['POST', `/admin/users/${randomUUID()}/enable`],
  ['POST', `/admin/users/${randomUUID()}/password/reset`],
  ['GET', '/admin/audit'],
];

it.each(ROUTES)('%s %s is for staff alone, in every spelling of its path', async (method, path) => {
  const { accessToken, user } = await t.a.signUp();
  const { status, body } = await t.a.call(method, path, { bearer: accessToken });
  expect([status, body.code]).toEqual([403, 'forbidden']);
  const spellings = [`/${path}`, `${path}/`, path.replace('admin', '%61dmin'), path.toUpperCase(), `${path};x`];
  for (const spelling of spellings) {
    expect([403, 404]).toContain((await t.a.call(method, spelling, { bearer: accessToken })).status);
  }
  // Who may not be here hears that first, whatever they sent.
  const bad = { bearer: accessToken, body: '{', headers: { 'content-type': 'text/plain' } };
  if (method === 'POST') expect((await t.a.call(method, path, bad)).status).toBe(403);
  const refused = await t.database.query(`SELECT FROM audit_events WHERE user_id = $1 AND type = 'access_refused'`, [
    user.id,
  ]);
  expect(refused.length).toBeGreaterThan(0);
});

it('A user who is refused 60 times at two instances leaves one audit event a minute for each session', async () => {
  const { accessToken, user, credentials } = await t.a.signUp();
  const other = await t.b.signIn(credentials);
  const refuse = (count: number, bearer = accessToken) =>
    Promise.all(Array.from({ length: count }, (_, i) => (i % 2 ? t.a : t.b).call('GET', '/admin/audit', { bearer })));
  const told = () =>
    t.database.query(`SELECT session_id FROM audit_events WHERE user_id = $1 AND type = 'access_refused'`, [user.id]);

  const answers = await refuse(60);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([403]));
  expect(await told()).toHaveLength(1);
  await refuse(3, other.accessToken);
  expect(await told()).toHaveLength(2);

  // The next minute, at an instance that does not remember this one.
  await t.database.query(`UPDATE rate_limits SET expire = 0 WHERE key LIKE 'refusal:%'`);
  const restarted = await startInstance({ env: { DATABASE_URL: t.database.url } });
  expect((await restarted.api.call('GET', '/admin/users', { bearer: accessToken })).status).toBe(403);
  expect(await told()).toHaveLength(3);
  await restarted.kill('SIGTERM');
});

it('A staff role granted from the command line counts until it is taken away', async () => {
  const { credentials, accessToken, user } = await t.a.signUp();
  const users = () => t.b.call('GET', '/admin/users', { bearer: accessToken });
  expect((await users()).status).toBe(403);
  grant(credentials.email);
  expect((await users()).status).toBe(200);
  await t.database.query(`UPDATE users SET role = 'user' WHERE id = $1`, [user.id]);
  expect((await users()).status).toBe(403);
  expect(() => grant('nobody@example.com')).toThrow('Command failed');
});

it('A registration with role, isAdmin or disabledAt in its body is refused', async () => {
  for (const extra of [{ role: 'admin' }, { isAdmin: true }, { disabledAt: null }]) {
    const answer = await t.a.register({
      email: `x-${randomUUID()}@example.com`,
      password: 'a long passphrase',
      ...extra,
    });
    expect(answer.status).toBe(400);
  }
});

it('Staff find users by address in any case and page by page, and see no secret of theirs', async () => {
  const { user, credentials } = await t.a.signUp({ name: 'Ada' });
  const { status, body } = await asStaff(
    'GET',
    `/admin/users?email=${encodeURIComponent(credentials.email.toUpperCase())}`,
  );
  expect(status).toBe(200);
  expect(body).toEqual({ items: [{ ...user, disabledAt: null }], nextCursor: null });

  const first = await asStaff('GET', '/admin/users?limit=2');
  const second = await asStaff('GET', `/admin/users?limit=2&cursor=${first.body.nextCursor}`);
  const ids = [...first.body.items, ...second.body.items].map(({ id }: { id: string }) => id);
  expect(new Set(ids).size).toBe(4);
  expect((await asStaff('GET', '/admin/users?email=%25')).body.items).toEqual([]);
  expect((await asStaff('GET', '/admin/users?limit=0')).status).toBe(400);
});

it('Staff page through the addresses that begin alike, in the order of their bytes whatever the collation', async () => {
  const prefix = `page-${randomUUID()}`;
  const emails = ['.a', '-b', '_c', 'a', 'b', 'é', 'Z'].map((end) => `${prefix}${end}@example.com`.toLowerCase());
  await t.database.query(`INSERT INTO users (email, password_hash) SELECT unnest($1::text[]), '!'`, [emails]);
  const found: string[] = [];
  let cursor = '';
  for (let page = 0; page < 4; page++) {
    const { body } = await asStaff('GET', `/admin/users?email=${prefix}&limit=2${cursor}`);
    found.push(...body.items.map(({ email }: { email: string }) => email));
    cursor = `&cursor=${body.nextCursor}`;
  }
  expect(found).toEqual(emails.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other))));
  expect(cursor).toBe('&cursor=null');

  // A cursor of the one list is none of the other.
  const ofAll = (await asStaff('GET', '/admin/users?limit=1')).body.nextCursor;
  const ofSome = (await asStaff('GET', `/admin/users?email=${prefix}&limit=1`)).body.nextCursor;
  for (const query of [`email=${prefix}&cursor=${ofAll}`, `cursor=${ofSome}`]) {
    const { status, body } = await asStaff('GET', `/admin/users?${query}`);
    expect([status, body.errors?.[0]?.field]).toEqual([400, 'cursor']);
  }
});

it('Staff see the devices of a user page by page', async () => {
  const { user, devices } = await userWithDevices();
  const first = await asStaff('GET', `/admin/users/${user.user.id}/sessions?limit=12`);
  const second = await asStaff('GET', `/admin/users/${user.user.id}/sessions?limit=12&cursor=${first.body.nextCursor}`);
  const ids = [...first.body.items, ...second.body.items].map(({ id }: { id: string }) => id);
  expect(ids.toSorted()).toEqual(devices.map(({ session }) => session.id).toSorted());
  expect(second.body.nextCursor).toBeNull();
  expect(first.body.items.some(({ current }: { current: boolean }) => current)).toBe(false);
});

it("Staff end all sessions of one user alone, with or without a reason, and the user's mail and history say so", async () => {
  for (const body of [undefined, {}, { reason: 'Reported as stolen' }]) {
    const { user, devices } = await userWithDevices();
    const stranger = await t.b.signUp();
    const answer = await asStaff('POST', `/admin/users/${user.user.id}/sessions/revoke`, body);
    expect([answer.status, answer.body]).toEqual([200, { revoked: 21 }]);
    await expectAllEnded(devices);
    expect((await t.b.me(stranger.accessToken)).status).toBe(200);
    expect((await t.b.me(staff.accessToken)).status).toBe(200);
    expect(await actionsOf(user.user.id)).toEqual([
      { type: 'sessions_revoked_by_staff', actor_id: staff.user.id, note: body?.reason ?? null },
    ]);
    await t.mailbox.await(user.credentials.email, STAFF_MAIL);

    // The user's own history says that it was not them.
    const { accessToken } = await t.a.signIn(user.credentials);
    const { items } = (await t.a.call('GET', '/sessions/history', { bearer: accessToken })).body;
    expect(items).toHaveLength(21);
    expect(items[0]).toMatchObject({ reason: 'revoked_by_admin', endedBy: 'staff', current: false });
  }
}, 60_000);

it('An account export shows that staff acted, but not which member of staff or from where', async () => {
  const user = await t.a.signUp();
  const { id } = user.user;
  const headers = { 'user-agent': 'Staff console/1.0' };
  for (const path of ['sessions/revoke', 'disable', 'enable', 'password/reset']) {
    await t.b.call('POST', `/admin/users/${id}/${path}`, {
      bearer: staff.accessToken,
      headers,
      body: { reason: 'Asked' },
    });
  }
  // From where staff never are.
  await t.database.query(
    `INSERT INTO audit_events (type, outcome, user_id, ip, user_agent) VALUES ('login_failed', 'failure', $1, '203.0.113.7', 'Stranger/1.0')`,
    [id],
  );
  const { accessToken } = await t.a.signIn(user.credentials);
  const { events } = (await t.a.call('GET', '/auth/me/export', { bearer: accessToken })).body;
  const byStaff = (await asStaff('GET', `/admin/audit?userId=${id}`)).body.items.filter(
    ({ actorId }: { actorId: string | null }) => actorId === staff.user.id,
  );
  expect(byStaff).toHaveLength(5);

  const kept = events.filter((event: { id: string }) => byStaff.some((one: { id: string }) => one.id === event.id));
  expect(kept.map(({ type, reason }: any) => [type, reason])).toEqual(
    expect.arrayContaining([
      ['sessions_revoked_by_staff', null],
      ['session_revoked', 'revoked_by_admin'],
      ['user_disabled', null],
    ]),
  );
  for (const event of kept) {
    expect(event).toMatchObject({ userId: id, actorId: null, ip: null, userAgent: null, requestId: null });
  }
  const text = JSON.stringify(events);
  expect([text.includes(staff.user.id), text.includes('Staff console')]).toEqual([false, false]);
  // What they did themselves, or a stranger to them, is whole.
  const own = events.filter(({ actorId }: any) => actorId === id);
  expect(own.map(({ ip, requestId }: any) => [ip, typeof requestId])).toEqual(own.map(() => ['127.0.0.1', 'string']));
  expect(own.length).toBeGreaterThan(2);
  expect(events.find(({ type }: any) => type === 'login_failed')).toMatchObject({ ip: '203.0.113.7' });
});

it('Staff end a single session of a user, and an ended or unknown session is reported as not found', async () => {
  const { user, devices } = await userWithDevices();
  const [first, second] = devices;
  expect((await asStaff('POST', `/admin/sessions/${second!.session.id}/revoke`, { reason: 'x' })).status).toBe(204);
  expect((await t.b.me(second!.accessToken)).body.code).toBe('session_revoked');
  expect((await t.b.me(first!.accessToken)).status).toBe(200);
  for (const id of [second!.session.id, randomUUID(), 'x']) {
    expect((await asStaff('POST', `/admin/sessions/${id}/revoke`)).body.code).toBe('session_not_found');
  }
  expect(await actionsOf(user.user.id)).toHaveLength(1);
});

it('Disabling an account ends its sessions and refuses logins; enabling it allows logins but restores no session', async () => {
  const { user, devices } = await userWithDevices();
  const { id } = user.user;
  expect((await asStaff('POST', `/admin/users/${id}/disable`, { reason: 'Abuse' })).status).toBe(204);
  await expectAllEnded(devices);
  const refused = await t.b.login(user.credentials);
  const wrong = await t.b.login({ ...user.credentials, password: 'not the password' });
  expect([refused.status, { ...refused.body, requestId: '' }]).toEqual([401, { ...wrong.body, requestId: '' }]);
  // Twice is once.
  expect((await asStaff('POST', `/admin/users/${id}/disable`)).status).toBe(204);
  expect((await asStaff('POST', `/admin/users/${id}/enable`)).status).toBe(204);
  await expectAllEnded(devices.slice(0, 2));
  expect((await t.b.login(user.credentials)).status).toBe(200);
  expect((await actionsOf(id)).map(({ type, note }) => [type, note])).toEqual([
    ['user_disabled', 'Abuse'],
    ['user_enabled', null],
  ]);
});

it('A login or refresh that races the disabling of its account leaves no session', async () => {
  for (let round = 0; round < 15; round++) {
    const user = await t.a.signUp();
    const [disabled, ...others] = await Promise.all([
      asStaff('POST', `/admin/users/${user.user.id}/disable`),
      ...[t.a, t.b, t.a].map((api) => api.login(user.credentials)),
      t.b.refresh(user.refreshToken),
    ]);
    expect(disabled!.status).toBe(204);
    for (const { status, body } of others) {
      expect([200, 401]).toContain(status);
      if (status === 200) expect((await t.b.me(body.accessToken)).status).toBe(401);
    }
    const active = await t.database.query('SELECT FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', [
      user.user.id,
    ]);
    expect(active).toEqual([]);
  }
}, 60_000);

it('A password reset by staff mails the user a link and leaves the session active', async () => {
  const user = await t.a.signUp();
  const { status, body } = await asStaff('POST', `/admin/users/${user.user.id}/password/reset`, { reason: 'Asked' });
  expect([status, body]).toEqual([202, null]);
  expect((await t.b.me(user.accessToken)).status).toBe(200);
  await t.mailbox.tokenFor(user.credentials.email, 'Set a new password');
  expect(await actionsOf(user.user.id)).toMatchObject([{ type: 'password_reset_by_staff', note: 'Asked' }]);
});

it('Every staff request for an unknown user is answered with user_not_found', async () => {
  for (const id of [randomUUID(), 'x', staff.session.id]) {
    for (const path of ['sessions/revoke', 'disable', 'enable', 'password/reset']) {
      expect((await asStaff('POST', `/admin/users/${id}/${path}`)).body.code).toBe('user_not_found');
    }
    expect((await asStaff('GET', `/admin/users/${id}/sessions`)).body.code).toBe('user_not_found');
  }
});

it('Staff read the audit trail by user, type and time, page by page', async () => {
  const user = await t.a.signUp();
  await t.a.logout((await t.a.signIn(user.credentials)).refreshToken);
  const { id } = user.user;
  const audit = async (query: string) => (await asStaff('GET', `/admin/audit?userId=${id}${query}`)).body;

  const all = (await audit('')).items as { type: string; at: string; userId: string }[];
  expect(all.map(({ type }) => type)).toEqual(expect.arrayContaining(['login_succeeded', 'session_revoked']));
  expect(all.every(({ userId }) => userId === id)).toBe(true);
  expect(all.map(({ at }) => at)).toEqual(
    all
      .map(({ at }) => at)
      .toSorted()
      .toReversed(),
  );
  expect((await audit('&type=session_revoked')).items).toHaveLength(1);
  expect((await audit(`&from=${all[0]!.at}`)).items.length).toBeGreaterThan(0);
  expect((await audit(`&to=${all.at(-1)!.at}`)).items).toEqual([]);

  const first = await audit('&limit=2');
  const second = await audit(`&limit=2&cursor=${first.nextCursor}`);
  expect([...first.items, ...second.items]).toEqual(all.slice(0, 4));
  for (const bad of ['&from=yesterday', '&userId=x', '&type[]=x', '&limit=1000', '&cursor=x']) {
    expect((await asStaff('GET', `/admin/audit?limit=5${bad.replace('&limit=1000', '&limit=1000')}`)).status).toBe(400);
  }
});
