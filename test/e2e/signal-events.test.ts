import { type AuthResult, type Credentials, PASSWORD, someone } from '../support/api.js';
import { addClient, basic, signUpStaff, type TestClient } from '../support/clients.js';
import { SUBJECTS } from '../support/mailbox.js';
import { useMailedInstances } from '../support/mailed-instances.js';
import { TestReceiver } from '../support/receiver.js';
import { until } from '../support/until.js';

// What is sent, by each thing that can happen to a session or an account, over the routes by which it happens: so many events, with
// this data, in this order for each session, and nothing else.
const NEW_PASSWORD = 'another passphrase of a test';
const ALL = [
  'session.created',
  'session.revoked',
  'session.expired',
  'user.created',
  'user.disabled',
  'user.enabled',
  'user.deleted',
  'password.changed',
  'email.changed',
  'refresh_token.reused',
  'factor.added',
  'factor.removed',
];
const t = useMailedInstances(1, { env: { MAX_SESSIONS_PER_USER: '3' }, hasMissingRows: true });
let staff: AuthResult;
let client: TestClient;
let receiver: TestReceiver;

beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'revoke');
  receiver = await TestReceiver.open();
  const body = { url: receiver.url, kind: 'webhook', events: ALL };
  expect((await t.a.call('POST', '/admin/receivers', { bearer: staff.accessToken, body })).status).toBe(201);
});

afterAll(() => receiver.stop());

interface Event {
  readonly type: string;
  readonly timestamp: string;
  readonly data: Record<string, string>;
}

/** All that is sent about a user. Events are written with what they say, so that once none waits there are no more. */
async function sentAbout(userId: string): Promise<Event[]> {
  await until('all are taken', async () => {
    const waiting = await t.database.query(`SELECT FROM deliveries WHERE user_id = $1 AND state = 'waiting'`, [userId]);
    return waiting.length === 0;
  });
  return receiver.received.map(({ body }): Event => JSON.parse(body)).filter(({ data }) => data['userId'] === userId);
}

/** An account with two sessions: what happens happens to it. */
interface Account extends AuthResult {
  readonly credentials: Credentials;
  readonly other: AuthResult;
}

async function twoDevices(): Promise<Account> {
  const first = await t.a.signUp();
  const other = await t.a.signIn(first.credentials);
  return { ...first, other };
}

type Act = (account: Account) => Promise<{ status: number }>;
type Said = Record<string, string>;
interface Way {
  readonly act: Act;
  /** The events of the act, by session and in their order there; those about the user last. */
  readonly says: (account: Account) => [type: string, data: Said][];
}

const of =
  (which: 'first' | 'other') =>
  (account: Account): Said => ({
    userId: account.user.id,
    sessionId: which === 'first' ? account.session.id : account.other.session.id,
  });
const first = of('first');
const other = of('other');
const user = (account: Account): Said => ({ userId: account.user.id });
const revoked = (data: Said, reason: string, endedBy = 'self'): [string, Said] => [
  'session.revoked',
  { ...data, reason, endedBy },
];
const bothRevoked = (account: Account, reason: string, endedBy = 'self') => [
  revoked(first(account), reason, endedBy),
  revoked(other(account), reason, endedBy),
];

const post = (path: string, body?: (account: Account) => unknown): Act => {
  return (account) => t.a.call('POST', path, { bearer: account.accessToken, ...(body && { body: body(account) }) });
};
const asStaff = (path: (account: Account) => string, body?: (account: Account) => unknown): Act => {
  return (account) =>
    t.a.call('POST', path(account), { bearer: staff.accessToken, ...(body && { body: body(account) }) });
};
const mailed = ({ user: { email } }: Account, subject: string) => t.mailbox.tokenFor(email, subject);
const changeEmail = async (account: Account, email: string) => {
  await t.a.call('POST', '/auth/email/change', { bearer: account.accessToken, body: { email, password: PASSWORD } });
  const token = await t.mailbox.tokenFor(email, SUBJECTS.confirmChange);
  return t.a.call('POST', '/auth/email/verify', { body: { token } });
};

const WAYS: Record<string, Way> = {
  'a logout': { act: post('/auth/logout'), says: (a) => [revoked(first(a), 'logout')] },
  'a logout by refresh token': {
    act: (a) => t.a.logout(a.refreshToken),
    says: (a) => [revoked(first(a), 'logout')],
  },
  'a logout everywhere': { act: post('/auth/logout-all'), says: (a) => bothRevoked(a, 'logout_all') },
  'a logout of all others': {
    act: post('/auth/logout-others'),
    says: (a) => [revoked(other(a), 'logout_others')],
  },
  'one device that ends another': {
    act: (a) => t.a.endSession(a.accessToken, a.other.session.id),
    says: (a) => [revoked(other(a), 'revoked_by_user')],
  },
  'staff who end one session': {
    act: asStaff((a) => `/admin/sessions/${a.other.session.id}/revoke`),
    says: (a) => [revoked(other(a), 'revoked_by_admin', 'staff')],
  },
  'staff who end all of a user': {
    act: asStaff((a) => `/admin/users/${a.user.id}/sessions/revoke`),
    says: (a) => bothRevoked(a, 'revoked_by_admin', 'staff'),
  },
  'an incident': {
    act: async (a) => {
      const where = { userIds: [a.user.id] };
      const begun = await t.a.call('POST', '/admin/incidents', {
        bearer: staff.accessToken,
        body: { where, reason: 'a test' },
      });
      await until('it is finished', async () => {
        const path = `/admin/incidents/${begun.body.id}`;
        return (await t.a.call('GET', path, { bearer: staff.accessToken })).body.finishedAt;
      });
      return begun;
    },
    says: (a) => bothRevoked(a, 'incident', 'staff'),
  },
  'another service that revokes a token': {
    act: (a) =>
      t.a.call('POST', '/oauth/revoke', {
        headers: { authorization: basic(client), 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ token: a.other.accessToken }).toString(),
      }),
    says: (a) => [revoked(other(a), 'revoked_by_service', 'system')],
  },
  'an old refresh token that comes back': {
    act: async (a) => {
      const next = (await t.a.refresh(a.refreshToken)).body;
      await t.a.refresh(next.refreshToken);
      expect((await t.a.refresh(a.refreshToken)).body.code).toBe('refresh_token_reused');
      return { status: 200 };
    },
    says: (a) => [['refresh_token.reused', first(a)], revoked(first(a), 'refresh_token_reuse', 'system')],
  },
  'a login beyond the cap': {
    act: async (a) => {
      await t.database.query(`UPDATE sessions SET last_seen_at = now() - interval '1 day' WHERE id = $1`, [
        a.other.session.id,
      ]);
      const answers = [await t.a.login(a.credentials), await t.a.login(a.credentials)];
      return answers.find(({ status }) => status !== 200) ?? answers[0]!;
    },
    says: (a) => [
      revoked(other(a), 'session_limit', 'system'),
      ['session.created', { ...user(a), sessionId: expect.any(String) }],
      ['session.created', { ...user(a), sessionId: expect.any(String) }],
    ],
  },
  'a change of the password': {
    act: post('/auth/password/change', () => ({ currentPassword: PASSWORD, newPassword: NEW_PASSWORD })),
    says: (a) => [
      ...bothRevoked(a, 'password_changed'),
      ['password.changed', user(a)],
      ['session.created', { ...user(a), sessionId: expect.any(String) }],
    ],
  },
  'a reset of the password': {
    act: async (a) => {
      await t.a.call('POST', '/auth/password/forgot', { body: { email: a.user.email } });
      const token = await mailed(a, SUBJECTS.reset);
      return t.a.call('POST', '/auth/password/reset', { body: { token, newPassword: NEW_PASSWORD } });
    },
    says: (a) => [...bothRevoked(a, 'password_reset'), ['password.changed', user(a)]],
  },
  'a change of the address': {
    act: (a) => changeEmail(a, someone().email),
    says: (a) => [['email.changed', user(a)]],
  },
  'a change of the address that is undone': {
    act: async (a) => {
      await changeEmail(a, someone().email);
      const token = await mailed(a, SUBJECTS.addressChanged);
      return t.a.call('POST', '/auth/email/undo', { body: { token } });
    },
    says: (a) => [...bothRevoked(a, 'disowned'), ['email.changed', user(a)], ['email.changed', user(a)]],
  },
  'staff who disable the account': {
    act: asStaff((a) => `/admin/users/${a.user.id}/disable`),
    says: (a) => [...bothRevoked(a, 'user_disabled', 'staff'), ['user.disabled', user(a)]],
  },
  'staff who disable and enable the account': {
    act: async (a) => {
      await asStaff(() => `/admin/users/${a.user.id}/disable`)(a);
      return asStaff(() => `/admin/users/${a.user.id}/enable`)(a);
    },
    says: (a) => [...bothRevoked(a, 'user_disabled', 'staff'), ['user.disabled', user(a)], ['user.enabled', user(a)]],
  },
  'a deletion of the account': {
    act: post('/auth/me/delete', () => ({ password: PASSWORD })),
    says: (a) => [...bothRevoked(a, 'account_deleted'), ['user.deleted', user(a)]],
  },
};

const bySession = (events: readonly (readonly [string, Said])[]) => {
  const groups = new Map<string, [string, Said][]>();
  for (const [type, data] of events) {
    const key = typeof data['sessionId'] === 'string' ? data['sessionId'] : data['sessionId'] ? 'any' : 'user';
    groups.set(key, [...(groups.get(key) ?? []), [type, data]]);
  }
  return groups;
};

describe('what is sent', () => {
  it('A registration is a user and a session', async () => {
    const { user: made, session } = await t.a.signUp();
    const events = await sentAbout(made.id);
    expect(events.map(({ type, data }) => [type, data])).toEqual(
      expect.arrayContaining([
        ['user.created', { userId: made.id }],
        ['session.created', { userId: made.id, sessionId: session.id }],
      ]),
    );
    expect(events).toHaveLength(2);
    for (const { timestamp } of events) expect(Math.abs(Date.now() - Date.parse(timestamp))).toBeLessThan(60_000);
  });

  it.each(Object.keys(WAYS))(
    'What is sent of %s is what its session says of its end, once and in order',
    async (way) => {
      const { act, says } = WAYS[way]!;
      const [account, bystander] = [await twoDevices(), await t.a.signUp()];
      const before = (await sentAbout(account.user.id)).length;
      expect(before).toBe(3);
      const { status } = await act(account);
      expect(status).toBeLessThan(300);

      const events = (await sentAbout(account.user.id)).slice(before).map(({ type, data }) => [type, data] as const);
      const expected = says(account);
      expect(events).toHaveLength(expected.length);
      expect(events).toEqual(expect.arrayContaining(expected));
      // About one session in this order. New ones have ids that are not known here.
      const sent = bySession(events);
      for (const [key, inOrder] of bySession(expected)) {
        if (key !== 'any') expect([key, sent.get(key)]).toEqual([key, inOrder]);
      }
      expect(await sentAbout(bystander.user.id)).toHaveLength(2);

      const history = await t.database.query<{ id: string; reason: string }>(
        `SELECT session_id AS id, reason FROM audit_events WHERE user_id = $1 AND type = 'session_revoked'`,
        [account.user.id],
      );
      expect(
        events.filter(([type]) => type === 'session.revoked').map(([, data]) => [data['sessionId'], data['reason']]),
      ).toEqual(expect.arrayContaining(history.map(({ id, reason }) => [id, reason])));
    },
  );

  it('A receiver that asks for addresses has that of a user who is deleted, and the new one after a change', async () => {
    const named = await TestReceiver.open();
    const body = { url: named.url, kind: 'webhook', events: ['user.deleted', 'email.changed'], include: ['email'] };
    const { body: added } = await t.a.call('POST', '/admin/receivers', { bearer: staff.accessToken, body });
    const account = await twoDevices();
    const email = someone().email;
    expect((await changeEmail(account, email)).status).toBe(204);
    await WAYS['a deletion of the account']!.act(account);
    await sentAbout(account.user.id);
    expect(
      named.received.map(({ body: text }) => JSON.parse(text)).map(({ type, data }: Event) => [type, data]),
    ).toEqual([
      ['email.changed', { userId: account.user.id, email }],
      ['user.deleted', { userId: account.user.id, email }],
    ]);
    await t.a.call('DELETE', `/admin/receivers/${added.id}`, { bearer: staff.accessToken });
    await named.stop();
  });

  it.each([
    'a logout',
    'one device that ends another',
    'staff who end one session',
    'an old refresh token that comes back',
    'another service that revokes a token',
  ])('The reason of %s, and who ended it, are those that its user sees', async (way) => {
    const { act } = WAYS[way]!;
    const account = await twoDevices();
    await act(account);
    const seer = await t.a.signIn(account.credentials);
    const { body } = await t.a.call('GET', '/sessions/history', { bearer: seer.accessToken });
    const [ended] = body.items;
    const sent = (await sentAbout(account.user.id)).filter(({ type }) => type === 'session.revoked');
    expect(sent.map(({ data }) => data)).toEqual([
      { userId: account.user.id, sessionId: ended.id, reason: ended.reason, endedBy: ended.endedBy },
    ]);
    expect(sent[0]!.timestamp).toBe(ended.endedAt);
  });

  it('Nothing is sent of what fails, changes nothing, or is no event', async () => {
    const account = await twoDevices();
    const before = await sentAbout(account.user.id);
    const { accessToken, credentials } = account;
    const asUser = (method: string, path: string, body?: unknown) =>
      t.a.call(method, path, { bearer: accessToken, ...(body !== undefined && { body }) });
    const stranger = await t.a.signUp();
    const statuses = [
      await t.a.login({ ...credentials, password: 'a wrong passphrase' }),
      await t.a.register(credentials),
      await asUser('POST', '/auth/password/change', {
        currentPassword: 'a wrong passphrase',
        newPassword: NEW_PASSWORD,
      }),
      await asUser('POST', '/auth/me/delete', { password: 'a wrong passphrase' }),
      await asUser('POST', '/auth/email/change', { email: someone().email, password: 'a wrong passphrase' }),
      await t.a.call('POST', '/auth/password/reset', { body: { token: 'a'.repeat(43), newPassword: NEW_PASSWORD } }),
      await t.a.endSession(stranger.accessToken, account.session.id),
      await t.a.refresh('v1.made.up'),
      await t.a.call('POST', `/admin/users/${account.user.id}/disable`, { bearer: stranger.accessToken }),
      await t.a.call('POST', `/admin/sessions/${account.session.id}/revoke`, { bearer: stranger.accessToken }),
    ].map(({ status }) => status);
    expect(statuses.every((status) => status >= 400 && status < 500)).toBe(true);
    const next = await t.a.refresh(account.other.refreshToken);
    const quiet = [
      next,
      await t.a.call('POST', '/auth/password/forgot', { body: { email: credentials.email } }),
      await asUser('POST', '/auth/email/change', { email: someone().email, password: PASSWORD }),
      await t.a.call('POST', `/admin/users/${account.user.id}/enable`, { bearer: staff.accessToken }),
    ].map(({ status }) => status);
    expect(quiet.every((status) => status < 300)).toBe(true);
    expect(await sentAbout(account.user.id)).toEqual(before);
    // The control, and that a second logout of the same is none.
    await t.a.logout(account.refreshToken);
    await t.a.logout(account.refreshToken);
    expect(await sentAbout(account.user.id)).toHaveLength(before.length + 1);
  });

  it('A session that is over by its idle or its absolute time is expired, once', async () => {
    const [idle, absolute] = [await t.a.signUp(), await t.a.signUp()];
    await t.database.query(`UPDATE sessions SET idle_expires_at = now() - interval '1 minute' WHERE id = $1`, [
      idle.session.id,
    ]);
    await t.database.query(
      `UPDATE sessions SET idle_expires_at = now() - interval '1 minute', expires_at = now() - interval '1 minute' WHERE id = $1`,
      [absolute.session.id],
    );
    await t.database.query(
      `UPDATE session_expiries SET look_at = now() - interval '1 minute' WHERE session_id = ANY($1)`,
      [[idle.session.id, absolute.session.id]],
    );
    for (const {
      user: { id },
      session,
      accessToken,
    } of [idle, absolute]) {
      const [event] = await receiver.events('session.expired', id);
      expect(event!.data).toEqual({ userId: id, sessionId: session.id, reason: 'expired', endedBy: 'system' });
      expect((await t.a.me(accessToken)).status).toBe(401);
      expect((await sentAbout(id)).filter(({ type }) => type !== 'user.created').map(({ type }) => type)).toEqual([
        'session.created',
        'session.expired',
      ]);
    }
  }, 60_000);
});
