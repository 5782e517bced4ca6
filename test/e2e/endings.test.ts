import { type Api, type AuthResult, PASSWORD } from '../support/api.js';
import { addClient, basic, postForm, type TestClient } from '../support/clients.js';
import { type Devices, seedDevices } from '../support/devices.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';
import { leaveUnseen } from '../support/time.js';

const DEVICES = 20;
const NEW_PASSWORD = 'another passphrase of a test';

let staff: AuthResult;
let client: TestClient;
const t = useMailedInstances(2, {
  // Two more may sign in before the cap ends one.
  env: { MAX_SESSIONS_PER_USER: String(DEVICES + 2) },
  // Accounts are deleted here.
  hasMissingRows: true,
});
beforeAll(async () => {
  staff = await t.a.signUp();
  await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
  client = await addClient(t.a, staff, 'revoke');
});

/** Ends sessions at one instance. What it answered must be a success. */
type End = (devices: Devices, api: Api) => Promise<{ status: number }>;

interface Way {
  readonly reason: string;
  /** Which of the devices it ends, the caller's being the first. */
  readonly scope: 'caller' | 'others' | 'all' | 'second';
  /** The same with optional fields present and absent, and with what else a client may send or leave out. */
  readonly variants: Readonly<Record<string, End>>;
}

const ENDS: Record<Way['scope'], (index: number) => boolean> = {
  caller: (index) => index === 0,
  others: (index) => index !== 0,
  all: () => true,
  second: (index) => index === 1,
};

const post =
  (path: string, body?: (devices: Devices) => unknown): End =>
  (devices, api) =>
    api.call('POST', path, { bearer: devices[0].accessToken, ...(body && { body: body(devices) }) });

const byToken =
  (path: string): End =>
  ([{ refreshToken }], api) =>
    api.call('POST', path, { body: { refreshToken } });

const asStaff =
  (path: (devices: Devices) => string, body?: unknown): End =>
  (devices, api) =>
    api.call('POST', path(devices), { bearer: staff.accessToken, ...(body !== undefined && { body }) });

const withAndWithoutReason = (path: (devices: Devices) => string): Record<string, End> => ({
  'no body': asStaff(path),
  'an empty body': asStaff(path, {}),
  'a reason': asStaff(path, { reason: 'a test' }),
});

/** The token of the latest mail to a user. */
const mailed = ([{ user }]: Devices, subject: string) => t.mailbox.tokenFor(user.email, subject);
const loginFrom = ([{ user }]: Devices, api: Api, userAgent: string) =>
  api.login({ email: user.email, password: PASSWORD }, { headers: { 'user-agent': userAgent } });
const seenLast = ([, second]: Devices) => leaveUnseen(t.database, second.session.id, '1 day');

const revokedGlobally =
  (subject: (device: Devices[0]) => object): End =>
  ([device], api) =>
    api.call('POST', '/oauth/global-token-revocation', {
      headers: { authorization: basic(client) },
      body: { sub_id: subject(device) },
    });

const WAYS: Record<string, Way> = {
  logout: {
    reason: 'logout',
    scope: 'caller',
    variants: {
      bearer: post('/auth/logout'),
      'bearer and an empty body': post('/auth/logout', () => ({})),
      'refresh token': byToken('/auth/logout'),
    },
  },
  'logout of all': {
    reason: 'logout_all',
    scope: 'all',
    variants: { bearer: post('/auth/logout-all'), 'refresh token': byToken('/auth/logout-all') },
  },
  'logout of all others': {
    reason: 'logout_others',
    scope: 'others',
    variants: { bearer: post('/auth/logout-others') },
  },
  'one device ending another': {
    reason: 'revoked_by_user',
    scope: 'second',
    variants: {
      bearer: ([{ accessToken }, second], api) => api.endSession(accessToken, second.session.id),
    },
  },
  'password change': {
    reason: 'password_changed',
    scope: 'all',
    variants: {
      bearer: post('/auth/password/change', () => ({ currentPassword: PASSWORD, newPassword: NEW_PASSWORD })),
    },
  },
  'password reset': {
    reason: 'password_reset',
    scope: 'all',
    variants: {
      'mailed token': async (devices, api) => {
        await api.call('POST', '/auth/password/forgot', { body: { email: devices[0].user.email } });
        const token = await mailed(devices, SUBJECTS.reset);
        return api.call('POST', '/auth/password/reset', { body: { token, newPassword: NEW_PASSWORD } });
      },
    },
  },
  'deletion of the account': {
    reason: 'account_deleted',
    scope: 'all',
    variants: { bearer: post('/auth/me/delete', () => ({ password: PASSWORD })) },
  },
  'staff ending one': {
    reason: 'revoked_by_admin',
    scope: 'second',
    variants: withAndWithoutReason(([, second]) => `/admin/sessions/${second.session.id}/revoke`),
  },
  'staff ending all': {
    reason: 'revoked_by_admin',
    scope: 'all',
    variants: withAndWithoutReason(([{ user }]) => `/admin/users/${user.id}/sessions/revoke`),
  },
  'staff disabling the account': {
    reason: 'user_disabled',
    scope: 'all',
    variants: withAndWithoutReason(([{ user }]) => `/admin/users/${user.id}/disable`),
  },
  'revocation of a token by its holder': {
    reason: 'logout',
    scope: 'caller',
    variants: {
      'access token': ([{ accessToken: token }], api) => postForm(api, '/oauth/revoke', { token }),
      'refresh token': ([{ refreshToken: token }], api) => postForm(api, '/oauth/revoke', { token }),
    },
  },
  'revocation of a token by a service': {
    reason: 'revoked_by_service',
    scope: 'second',
    variants: {
      'access token': ([, { accessToken: token }], api) =>
        postForm(api, '/oauth/revoke', { token }, { authorization: basic(client) }),
      'refresh token': ([, { refreshToken: token }], api) =>
        postForm(api, '/oauth/revoke', { token }, { authorization: basic(client) }),
    },
  },
  'revocation of all tokens by a service': {
    reason: 'revoked_by_service',
    scope: 'all',
    variants: {
      'the issuer and the subject': revokedGlobally(({ user }) => ({
        format: 'iss_sub',
        iss: 'latchkey',
        sub: user.id,
      })),
      'the address': revokedGlobally(({ user }) => ({ format: 'email', email: user.email.toUpperCase() })),
      'the id': revokedGlobally(({ user }) => ({ format: 'opaque', id: user.id })),
    },
  },
  'reuse detection': {
    reason: 'refresh_token_reuse',
    scope: 'caller',
    variants: {
      'a spent token': async ([caller], api) => {
        const second = (await caller.refresh(api)).body;
        await api.refresh(second.refreshToken);
        const answer = await caller.refresh(api);
        expect(answer.body.code).toBe('refresh_token_reused');
        return { status: 200 };
      },
    },
  },
  'the cap': {
    reason: 'session_limit',
    scope: 'second',
    variants: {
      'logins beyond it': async (devices, api) => {
        await seenLast(devices);
        const answers = [];
        for (let n = 0; n < 3; n++) answers.push(await loginFrom(devices, api, 'curl/8.0'));
        return answers.find(({ status }) => status !== 200) ?? { status: 200 };
      },
    },
  },
};

it.each(Object.entries(WAYS).flatMap(([way, { variants }]) => Object.keys(variants).map((variant) => [way, variant])))(
  'Sessions ended by %s (%s) are refused at once at both instances and in both deliveries, and no others',
  async (way, variant) => {
    const { reason, scope, variants } = WAYS[way!]!;
    for (const [here, there] of [
      [t.a, t.b],
      [t.b, t.a],
    ] as const) {
      const deliveries = ['body', 'body', 'cookie', 'cookie'] as const;
      const devices = await seedDevices(t.database, [t.a, t.b], DEVICES, deliveries);
      const bystanders = await seedDevices(t.database, [t.a, t.b], 2);

      const { status } = await variants[variant!]!(devices, here);
      expect(status).toBeLessThan(300);

      const seen = await Promise.all(
        devices.map(async ({ accessToken }, i) => (await (i % 2 ? here : there).me(accessToken)).status),
      );
      expect(seen).toEqual(devices.map((_, i) => (ENDS[scope](i) ? 401 : 200)));
      for (const [i, device] of devices.entries()) {
        const refreshed = await device.refresh(i % 2 ? there : here);
        const expected = ENDS[scope](i) ? [401, CODES[reason] ?? 'session_revoked'] : [200, undefined];
        expect([i, refreshed.status, refreshed.body.code]).toEqual([i, ...expected]);
      }
      for (const device of bystanders) {
        expect([(await here.me(device.accessToken)).status, (await device.refresh(there)).status]).toEqual([200, 200]);
      }
      const rows = await t.database.query<{ reason: string; count: number }>(
        `SELECT reason, count(*)::integer AS count FROM audit_events
         WHERE user_id = $1 AND type = 'session_revoked' GROUP BY reason`,
        [devices[0].user.id],
      );
      expect(rows).toEqual([{ reason, count: devices.filter((_, i) => ENDS[scope](i)).length }]);
    }
  },
  60_000,
);

const CODES: Record<string, string> = {
  // Of what is gone nothing is known; and a spent token is reuse whenever it comes.
  account_deleted: 'invalid_refresh_token',
  refresh_token_reuse: 'refresh_token_reused',
};

it('The "this was not me" link ends the session that its mail names and all others of the account', async () => {
  for (const [here, there] of [
    [t.a, t.b],
    [t.b, t.a],
  ] as const) {
    const devices = await seedDevices(t.database, [t.a, t.b], DEVICES, ['body', 'cookie']);
    await loginFrom(devices, here, 'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0');
    const { body: stranger } = await loginFrom(devices, here, 'curl/8.0');
    const body = { token: await mailed(devices, SUBJECTS.newDevice) };
    expect(await here.call('POST', '/sessions/disown', { body })).toMatchObject({
      status: 200,
      body: { revoked: DEVICES + 2 },
    });
    expect((await there.me(stranger.accessToken)).body.code).toBe('session_revoked');
    expect((await there.refresh(stranger.refreshToken)).body.code).toBe('session_revoked');
    for (const device of devices) {
      expect([(await there.me(device.accessToken)).status, (await device.refresh(here)).status]).toEqual([401, 401]);
    }
  }
}, 60_000);
