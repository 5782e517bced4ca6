// Every kind of request, by a common user, by one with very many sessions, by one with very many lines, and by staff.
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, type Answer, type AuthResult, PASSWORD } from '../../support/api.js';
import { basic, type TestClient } from '../../support/clients.js';
import { EventStream } from '../../support/event-stream.js';
import { COMMON_USER, MANY_LINES, MANY_SESSIONS, STAFF } from './seed.js';

/** When a kind of request was under way, by `performance.now()`. */
export interface Span {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

type Call = () => Promise<unknown>;

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const WATCHED_MS = 1500;

/** Asks for everything once. Throws where something is refused that should not be. */
export async function callAll(url: string, users: number, retention: () => Promise<void>): Promise<Span[]> {
  const spans: Span[] = [];
  const run = async (what: string, call: Call) => {
    const from = performance.now();
    await call();
    spans.push({ what, from, to: performance.now() });
  };
  const api = new Api(url);
  const signIn = async (email: string): Promise<AuthResult> => {
    const { status, body } = await api.login({ email, password: PASSWORD });
    if (status !== 200) throw new Error(`login of ${email} answered ${status}`);
    return body;
  };

  await run('(background)', () => sleep(WATCHED_MS));
  const staff = await signIn(STAFF);
  const people: [who: string, email: string][] = [
    ['', COMMON_USER(users)],
    [', many sessions', MANY_SESSIONS],
    [', many lines', MANY_LINES],
  ];
  for (const [who, email] of people) {
    for (const [what, call] of callsOf(api, email, staff)) await run(`${what}${who}`, call);
  }
  for (const [what, call] of staffCalls(api, staff, users)) await run(what, call);
  for (const [what, call] of await serviceCalls(api, staff, users)) await run(what, call);
  await run('retention', retention);
  for (const [who, email] of people) {
    for (const [what, call] of endingsOf(api, email)) await run(`${what}${who}`, call);
  }
  return spans;
}

const ok = async (answer: Promise<Answer>): Promise<Answer> => {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(`${status}: ${JSON.stringify(body)}`);
  return answer;
};

/** So many pages of a list, one after the other. */
async function pages(api: Api, path: string, bearer: string, count: number): Promise<void> {
  let cursor: string | null = null;
  for (let page = 0; page < count; page++) {
    const query: string = cursor === null ? '' : `${path.includes('?') ? '&' : '?'}cursor=${cursor}`;
    ({ nextCursor: cursor } = (await ok(api.call('GET', path + query, { bearer }))).body);
    if (cursor === null) return;
  }
}

function callsOf(api: Api, email: string, staff: AuthResult): [string, Call][] {
  let me: AuthResult;
  const get = (path: string) => ok(api.call('GET', path, { bearer: me.accessToken }));
  return [
    ['login', async () => (me = (await ok(api.login({ email, password: PASSWORD }))).body)],
    ['login refused', () => api.login({ email, password: 'not the passphrase' })],
    ['protected request', () => get('/auth/me')],
    ['refresh', async () => (me = (await ok(api.refresh(me.refreshToken))).body)],
    ['list', () => get('/sessions')],
    ['list, further pages', () => pages(api, '/sessions?limit=20', me.accessToken, 4)],
    ['history', () => get('/sessions/history')],
    ['history, further pages', () => pages(api, '/sessions/history?limit=20', me.accessToken, 4)],
    [
      'rename',
      () =>
        ok(api.call('PATCH', `/sessions/${me.session.id}`, { bearer: me.accessToken, body: { deviceName: 'Laptop' } })),
    ],
    ['export', () => get('/auth/me/export')],
    [
      'event stream',
      async () => {
        const stream = await EventStream.open(api, me.accessToken, { lastEventId: String(Date.now() - 60_000) });
        await sleep(WATCHED_MS);
        stream.close();
      },
    ],
    [
      'staff: devices of a user',
      () => pages(api, `/admin/users/${me.user.id}/sessions?limit=20`, staff.accessToken, 3),
    ],
    ['staff: trail of a user', () => pages(api, `/admin/audit?userId=${me.user.id}`, staff.accessToken, 3)],
    [
      'staff: one type of a user',
      () => pages(api, `/admin/audit?userId=${me.user.id}&type=session_renamed`, staff.accessToken, 2),
    ],
    ['logout', () => ok(api.logout(me.refreshToken))],
  ];
}

function staffCalls(api: Api, staff: AuthResult, users: number): [string, Call][] {
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  const list = (path: string) => () => pages(api, path, staff.accessToken, 3);
  return [
    ['staff: all users', list('/admin/users')],
    ['staff: users by a rare prefix', list(`/admin/users?email=user-${Math.ceil(users / 2)}@`)],
    ['staff: users by a common prefix', list('/admin/users?email=user-')],
    ['staff: users by a prefix in between', list('/admin/users?email=user-1')],
    ['staff: users by a prefix of old ones', list(`/admin/users?email=user-${Math.ceil(users / 50)}`)],
    ['staff: users by a prefix that none has', list('/admin/users?email=zz')],
    ['staff: trail', list('/admin/audit')],
    ['staff: trail, a common type', list('/admin/audit?type=session_revoked')],
    ['staff: trail, a rare type', list('/admin/audit?type=session_renamed')],
    ['staff: trail, a type without lines', list('/admin/audit?type=signing_key_revoked')],
    ['staff: trail of some days', list(`/admin/audit?from=${daysAgo(40)}&to=${daysAgo(38)}`)],
    [
      'staff: trail of some days, a rare type',
      list(`/admin/audit?from=${daysAgo(40)}&to=${daysAgo(10)}&type=password_changed`),
    ],
  ];
}

async function serviceCalls(api: Api, staff: AuthResult, users: number): Promise<[string, Call][]> {
  const asStaff = (path: string, body: object = {}) => ok(api.call('POST', path, { bearer: staff.accessToken, body }));
  const { body: client }: Answer<TestClient> = await asStaff('/admin/clients', {
    name: 'size',
    scopes: ['introspect', 'revoke', 'verify'],
  });
  const { body: victim } = await api.login({ email: `user-${Math.ceil(users / 3)}@example.com`, password: PASSWORD });
  const post = (path: string, body: string) =>
    ok(api.call('POST', path, { headers: { ...FORM, authorization: basic(client) }, body }));
  return [
    ['introspection', () => post('/oauth/introspect', `token=${victim.accessToken}`)],
    ['introspection of a refresh token', () => post('/oauth/introspect', `token=${victim.refreshToken}`)],
    ['revocation by a service', () => post('/oauth/revoke', `token=${victim.refreshToken}`)],
    ['register', () => api.register({ email: 'new-one@example.com', password: 'the passphrase of a new one' })],
    ['forgotten password', () => ok(api.call('POST', '/auth/password/forgot', { body: { email: victim.user.email } }))],
    ['staff: revoke all of a user', () => asStaff(`/admin/users/${victim.user.id}/sessions/revoke`)],
    ['staff: disable', () => asStaff(`/admin/users/${victim.user.id}/disable`)],
    [
      'staff: disable the last admin',
      () => api.call('POST', `/admin/users/${staff.user.id}/disable`, { bearer: staff.accessToken, body: {} }),
    ],
    ['staff: clients', () => ok(api.call('GET', '/admin/clients', { bearer: staff.accessToken }))],
    ['readiness', () => api.call('GET', '/health/ready')],
  ];
}

function endingsOf(api: Api, email: string): [string, Call][] {
  let me: AuthResult;
  const post = (path: string, body: object) => ok(api.call('POST', path, { bearer: me.accessToken, body }));
  return [
    ['login', async () => (me = (await ok(api.login({ email, password: PASSWORD }))).body)],
    ['logout of all others', () => ok(api.logoutOthers(me.accessToken))],
    [
      'password change',
      async () =>
        (me = (
          await post('/auth/password/change', {
            currentPassword: PASSWORD,
            newPassword: 'another passphrase of a test',
          })
        ).body),
    ],
    ['logout of all', () => ok(api.call('POST', '/auth/logout-all', { bearer: me.accessToken }))],
    ['login', async () => (me = (await ok(api.login({ email, password: 'another passphrase of a test' }))).body)],
    ['deletion of the account', () => post('/auth/me/delete', { password: 'another passphrase of a test' })],
  ];
}
