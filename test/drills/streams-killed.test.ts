import { Client } from 'pg';
import { PASSWORD } from '../support/api.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { type Instance, startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { until } from '../support/until.js';
import { type End, logout, revokeSilently, type Watched, watched } from '../support/watched.js';

// An instance is killed (SIGKILL) after the end of a session is committed and before any other is notified of it. How long
// the streams at the others stay open then is measured by `npm run bench`: it is what it is where nothing is notified.
const t = useInstances(2);
const AT_ONCE = 10;
const CHANNEL = 'latchkey_sessions';

let proxy: DatabaseProxy;
let doomed: Instance;
let listener: Client;
let heard: string;

beforeEach(async () => {
  proxy = await startDatabaseProxy(t.database.url);
  doomed = await startInstance({ env: { DATABASE_URL: proxy.url } });
  listener = new Client({ connectionString: t.database.adminUrl });
  await listener.connect();
  await listener.query(`LISTEN ${CHANNEL}`);
  heard = '';
  listener.on('notification', ({ payload }) => (heard += payload));
});

afterEach(async () => {
  await doomed.kill('SIGKILL');
  await listener.end();
  proxy.stop();
});

const lineOf = async (sessionId: string): Promise<string | undefined> => {
  const [row] = await t.database.query<{ id: string }>(
    `SELECT id FROM audit_events WHERE type = 'session_revoked' AND session_id = $1`,
    [sessionId],
  );
  return row?.id;
};

/** What is notified is notified in the order of its commits, so all that was before this is heard. */
async function hearAll(): Promise<void> {
  await t.database.query(`SELECT pg_notify('${CHANNEL}', '["the last"]')`);
  await until('the last is heard', () => heard.includes('the last'));
}

/** The last event is the line of the audit trail: one that is found by checking all sessions, twice a minute, names none. */
async function expectEndsFoundInTheTrail(all: readonly Watched[], reason: string): Promise<void> {
  for (const { account, streams } of all) {
    for (const stream of streams) {
      const last = await stream.ended();
      expect([last?.type, last?.data]).toMatchObject(['session.revoked', { id: account.session.id, reason }]);
      expect(last?.id.split('.')[1]).toBe(await lineOf(account.session.id));
    }
  }
  await hearAll();
  for (const { account } of all) expect(heard).not.toContain(account.session.id);
}

const asStaff = async (path: string) => {
  const staff = await t.a.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
  const end: End = ({ account }, api) =>
    api.call('POST', path.replace(':user', account.user.id), { bearer: staff.accessToken, body: {} });
  return end;
};

it.each<[what: string, reason: string, makeEnd: () => Promise<End>]>([
  ['a logout', 'logout', () => Promise.resolve(logout)],
  ['a logout of all', 'logout_all', () => Promise.resolve(({ other }, api) => api.logoutAll(other.refreshToken))],
  [
    'a password change',
    'password_changed',
    () =>
      Promise.resolve(({ other }, api) =>
        api.call('POST', '/auth/password/change', {
          bearer: other.accessToken,
          body: { currentPassword: PASSWORD, newPassword: 'another passphrase of a test' },
        }),
      ),
  ],
  ['the disabling of the account', 'user_disabled', () => asStaff('/admin/users/:user/disable')],
])(
  'Streams at other instances end though the instance that answered %s is killed before it notifies',
  async (_, reason, makeEnd) => {
    const end = await makeEnd();
    // What this instance does is heard otherwise.
    const before = await watched(t);
    await end(before, doomed.api);
    await until('it is notified', () => heard.includes(before.account.session.id));

    const all = await Promise.all(Array.from({ length: AT_ONCE }, () => watched(t)));
    proxy.keepBack('notify');
    for (const one of all) expect(((await end(one, doomed.api)) as { status: number }).status).toBeLessThan(300);
    await until('its notifications are kept back', () => proxy.keptBack() === 1);
    await doomed.kill('SIGKILL');
    await expectEndsFoundInTheTrail(all, reason);
  },
  120_000,
);

it('Streams at other instances end though the instance is killed before it hears of the commit of a logout', async () => {
  // Its connections are open by then.
  const before = await Promise.all(Array.from({ length: AT_ONCE }, () => watched(t)));
  await Promise.all(before.map((one) => logout(one, doomed.api)));

  const one = await watched(t);
  proxy.hold();
  const answer = logout(one, doomed.api).then(
    () => 'answered',
    () => 'cut',
  );
  await until('it is committed', () => lineOf(one.account.session.id));
  await doomed.kill('SIGKILL');
  expect(await answer).toBe('cut');
  await expectEndsFoundInTheTrail([one], 'logout');
}, 120_000);

it('Streams end, by the audit trail, also where a revocation commits long after its transaction began', async () => {
  const all = await Promise.all(Array.from({ length: AT_ONCE }, () => watched(t)));
  const client = new Client({ connectionString: t.database.adminUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    // What follows is dated now.
    await client.query('SELECT now(), pg_sleep(4)');
    for (const { account } of all)
      await revokeSilently(
        { database: { query: async (sql, values) => (await client.query(sql, values)).rows } },
        account.session.id,
      );
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
  await expectEndsFoundInTheTrail(all, 'revoked_by_admin');
}, 120_000);
