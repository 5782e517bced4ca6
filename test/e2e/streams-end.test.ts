import { type Api, type AuthResult, PASSWORD } from '../support/api.js';
import { EventStream } from '../support/event-stream.js';
import { resign, signingKeyOf } from '../support/forge.js';
import { useInstances } from '../support/instances.js';
import { expireIdleIn, expireIn } from '../support/time.js';
import { until } from '../support/until.js';
import { type End, expectStreamsToEnd, logout, revokeSilently, watched } from '../support/watched.js';

// Accounts are deleted here.
const t = useInstances(2, { hasMissingRows: true });
const AT_ONCE = 25;
const NEW_PASSWORD = 'another passphrase of a test';

it.each<[what: string, reason: string, end: End]>([
  ['logout', 'logout', logout],
  ['logout of all', 'logout_all', ({ other }, api) => api.logoutAll(other.refreshToken)],
  ['logout of all others', 'logout_others', ({ other }, api) => api.logoutOthers(other.accessToken)],
  [
    'one device ending another',
    'revoked_by_user',
    ({ account, other }, api) => api.endSession(other.accessToken, account.session.id),
  ],
  [
    'a password change',
    'password_changed',
    ({ other }, api) =>
      api.call('POST', '/auth/password/change', {
        bearer: other.accessToken,
        body: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD },
      }),
  ],
  [
    'reuse detection',
    'refresh_token_reuse',
    async ({ account }, api) => {
      const second = (await api.refresh(account.refreshToken)).body;
      await api.refresh(second.refreshToken);
      await api.refresh(account.refreshToken);
    },
  ],
  [
    'a statement of another program that notifies no instance',
    'revoked_by_admin',
    ({ account }) => revokeSilently(t, account.session.id),
  ],
  [
    'the deletion of the account',
    'account_deleted',
    ({ other }, api) =>
      api.call('POST', '/auth/me/delete', { bearer: other.accessToken, body: { password: PASSWORD } }),
  ],
])(
  'Streams of a session end on both instances after %s',
  async (_, reason, end) => {
    await expectStreamsToEnd(t, AT_ONCE, end, { reason });
  },
  120_000,
);

it('Streams of a session end on both instances after staff revoke it or disable the account', async () => {
  const staff = await t.a.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
  const asStaff = (path: string, api: Api) =>
    api.call('POST', path, { bearer: staff.accessToken, body: { reason: 'a test' } });
  await expectStreamsToEnd(
    t,
    AT_ONCE,
    ({ account }, api) => asStaff(`/admin/sessions/${account.session.id}/revoke`, api),
    { reason: 'revoked_by_admin' },
  );
  await expectStreamsToEnd(t, AT_ONCE, ({ account }, api) => asStaff(`/admin/users/${account.user.id}/disable`, api), {
    reason: 'user_disabled',
  });
}, 120_000);

it('Streams of a session end on both instances once its idle end or its absolute end has passed', async () => {
  const isOver: End = ({ account }) =>
    until('the session has expired', async () => {
      const sql = 'SELECT FROM sessions WHERE id = $1 AND least(idle_expires_at, expires_at) <= now()';
      return (await t.database.query(sql, [account.session.id])).length > 0;
    });
  await Promise.all(
    [expireIdleIn, expireIn].map((expiresIn) => {
      // The end is set before the streams open, and lies far enough ahead for a busy machine to open them.
      const prepare = ({ session }: AuthResult) => expiresIn(t.database, session.id, '3 seconds');
      return expectStreamsToEnd(t, 10, isOver, { reason: 'expired', prepare });
    }),
  );
}, 120_000);

it('A stream stays open past the former idle end of its session where a refresh has put that off', async () => {
  const { account, streams } = await watched(t, ({ session }) => expireIdleIn(t.database, session.id, '3 seconds'));
  await t.a.refresh(account.refreshToken);
  await until('the former end has passed', async () => {
    const sql = `SELECT FROM sessions WHERE id = $1 AND rotated_at < now() - interval '4 seconds'`;
    return (await t.database.query(sql, [account.session.id])).length > 0;
  });
  expect(streams.map(({ endedAt }) => endedAt)).toEqual([null, null]);
  await t.a.logout(account.refreshToken);
  await Promise.all(streams.map((stream) => stream.ended()));
});

it('A stream outlives the access token it was opened with and ends with its session', async () => {
  const account = await t.a.signUp();
  // Half a minute of clock skew is allowed for: this one is good for four seconds more.
  const brief = resign(account, await signingKeyOf(t.database), { exp: Math.floor(Date.now() / 1000) - 26 });
  const stream = await EventStream.open(t.b, brief);
  await until('the access token has expired', async () => (await t.a.me(brief)).status === 401);
  const other = await t.a.signIn(account.credentials);
  await stream.await('session.created', other.session.id);
  await t.b.logout(account.refreshToken);
  expect((await stream.ended())?.data.reason).toBe('logout');
});
