import { hkdfSync, createHmac, randomUUID } from 'node:crypto';
import { type Answer, PASSWORD, someone } from '../support/api.js';
import { useApp } from '../support/app.js';
import { raw } from '../support/raw.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';

const t = useApp({ VISIT_COOKIE: 'on' }, { hasMissingRows: true });

/** The cookies that an answer sets, by name. */
const cookiesOf = ({ headers }: Answer): Record<string, string> =>
  Object.fromEntries(headers.getSetCookie().map((one) => one.split(';')[0]!.split('=') as [string, string]));

/** The cookies as a browser sends them back. */
const headerOf = (cookies: Record<string, string>): string =>
  Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');

async function browser() {
  const credentials = someone();
  const answer = await t.api.register({ ...credentials, tokenDelivery: 'cookie' });
  const cookies = cookiesOf(answer);
  return { answer, cookies, credentials, visit: `visit=${cookies['visit']}`, ...answer.body };
}

const ask = (cookie: string, bearer?: string) =>
  t.api.call('GET', '/verify', { cookie, ...(bearer !== undefined && { bearer }) });
const codeOf = ({ status, body }: Answer) => [status, body?.code];

it('A visit cookie lets its session in until the session ends, and no longer', async () => {
  const { visit, session, user, accessToken } = await browser();
  const { status, headers } = await ask(visit);
  expect([status, headers.get('x-latchkey-session'), headers.get('x-latchkey-user')]).toEqual([
    200,
    session.id,
    user.id,
  ]);
  await t.api.endSession(accessToken, session.id);
  const answer = await ask(visit);
  expect(codeOf(answer)).toEqual([401, 'session_revoked']);
  expect(answer.headers.getSetCookie()).toEqual([]);
  await until('its use is recorded', async () => {
    const rows = await t.database.query(
      `SELECT FROM audit_events WHERE session_id = $1 AND type = 'ended_session_used'`,
      [session.id],
    );
    return rows.length === 1;
  });
});

it('An expired session and that of a disabled or deleted account are 401', async () => {
  const expired = await browser();
  await t.database.query('UPDATE sessions SET expires_at = now() WHERE id = $1', [expired.session.id]);
  expect(codeOf(await ask(expired.visit))).toEqual([401, 'session_expired']);

  const deleted = await browser();
  await t.api.call('POST', '/auth/me/delete', { bearer: deleted.accessToken, body: { password: PASSWORD } });
  expect(codeOf(await ask(deleted.visit))).toEqual([401, 'session_revoked']);
});

it('It is set with the refresh cookie at each sign-in, refresh and change of the password, and lives as long', async () => {
  const { answer, cookies, credentials, accessToken } = await browser();
  const attributes = answer.headers.getSetCookie().map((one) => one.split('; ').slice(1).toSorted());
  expect(attributes).toEqual([
    ['HttpOnly', 'Max-Age=604800', 'Path=/', 'SameSite=Strict'],
    ['HttpOnly', 'Max-Age=604800', 'Path=/', 'SameSite=Lax'],
  ]);
  const refreshed = await t.api.refreshByCookie(headerOf(cookies));
  expect(cookiesOf(refreshed)['visit']).toBe(cookies['visit']);
  const login = await t.api.login({ ...credentials, tokenDelivery: 'cookie' });
  expect((await ask(`visit=${cookiesOf(login)['visit']}`)).headers.get('x-latchkey-session')).toBe(
    login.body.session.id,
  );
  const changed = await t.api.call('POST', '/auth/password/change', {
    bearer: accessToken,
    body: { currentPassword: PASSWORD, newPassword: `${PASSWORD} 2` },
  });
  expect((await ask(`visit=${cookiesOf(changed)['visit']}`)).headers.get('x-latchkey-session')).toBe(
    changed.body.session.id,
  );
  expect(codeOf(await ask(`visit=${cookies['visit']}`))).toEqual([401, 'session_revoked']);
});

it('It is cleared wherever the refresh cookie is cleared, and nowhere else', async () => {
  const cleared = (answer: Answer) => [answer.status, ...Object.entries(cookiesOf(answer)).flat()];
  const GONE = ['refresh_token', '', 'visit', ''];
  const out = await browser();
  expect(cleared(await t.api.call('POST', '/auth/logout', { cookie: headerOf(out.cookies) }))).toEqual([204, ...GONE]);
  expect(cleared(await t.api.refreshByCookie(headerOf(out.cookies)))).toEqual([401, ...GONE]);
  expect(cleared(await t.api.call('POST', '/auth/logout', { cookie: 'refresh_token=forged' }))).toEqual([400, ...GONE]);
  const all = await browser();
  expect(cleared(await t.api.call('POST', '/auth/logout-all', { cookie: headerOf(all.cookies) }))).toEqual([
    200,
    ...GONE,
  ]);
  const deleted = await browser();
  const call = { bearer: deleted.accessToken, cookie: headerOf(deleted.cookies), body: { password: PASSWORD } };
  expect(cleared(await t.api.call('POST', '/auth/me/delete', call))).toEqual([204, ...GONE]);
  expect(cleared(await t.api.refreshByCookie('refresh_token=forged'))).toEqual([401]);
});

it('A session whose refresh token travels in the body has no visit cookie', async () => {
  const credentials = someone();
  const answer = await t.api.register({ ...credentials, tokenDelivery: 'body' });
  expect(answer.headers.getSetCookie()).toEqual([]);
  expect((await t.api.refresh(answer.body.refreshToken)).headers.getSetCookie()).toEqual([]);
});

it('An access token decides alone: a bad one is not saved by a cookie, and a good one not spoilt by one', async () => {
  const { visit, accessToken } = await browser();
  expect((await ask(visit, accessToken)).status).toBe(200);
  expect(codeOf(await ask(visit, 'forged'))).toEqual([401, 'invalid_token']);
  expect(codeOf(await t.api.call('GET', '/verify', { cookie: visit, headers: { authorization: 'bearer' } }))).toEqual([
    401,
    'invalid_token',
  ]);
  expect((await ask('visit=forged; visit=other', accessToken)).status).toBe(200);
  const other = await browser();
  expect((await ask(visit, other.accessToken)).headers.get('x-latchkey-session')).toBe(other.session.id);
  // What an upstream takes for itself is no access token.
  expect((await t.api.call('GET', '/verify', { cookie: visit, headers: { authorization: 'Basic eDp5' } })).status).toBe(
    200,
  );
});

it('No route but /verify takes it, and it refreshes and ends nothing', async () => {
  const { visit, cookies, accessToken } = await browser();
  for (const path of ['/auth/me', '/sessions', '/sessions/current', '/sessions/events', '/admin/users']) {
    expect([path, (await t.api.call('GET', path, { cookie: visit })).status]).toEqual([path, 401]);
    const asBearer = await t.api.call('GET', path, { bearer: cookies['visit']! });
    expect([path, asBearer.status]).toEqual([path, 401]);
  }
  expect(codeOf(await t.api.refreshByCookie(visit))).toEqual([401, 'invalid_refresh_token']);
  expect(codeOf(await t.api.refreshByCookie(`refresh_token=${cookies['visit']}`))).toEqual([
    401,
    'invalid_refresh_token',
  ]);
  expect((await t.api.refresh(cookies['visit']!)).status).toBe(401);
  expect((await t.api.call('POST', '/auth/logout', { cookie: visit })).status).toBe(401);
  expect((await t.api.call('POST', '/auth/logout-all', { cookie: visit })).status).toBe(401);
  expect((await ask(`visit=${cookies['refresh_token']}`)).status).toBe(401);
  expect((await ask(`visit=${accessToken}`)).status).toBe(401);
  expect((await t.api.me(accessToken)).status).toBe(200);
});

describe('a cookie that is not whole', () => {
  const sign = (sessionId: string, label: string, secret = SECRETS.REFRESH_TOKEN_SECRET) => {
    const key = Buffer.from(hkdfSync('sha256', secret, '', label, 32));
    return `v1.${sessionId}.${createHmac('sha256', key).update(`v1.${sessionId}`).digest('base64url')}`;
  };

  it('It is signed under a key of its own, bound to the name and the domain of the cookie', async () => {
    const { session, cookies } = await browser();
    expect(cookies['visit']).toBe(sign(session.id, 'latchkey visit cookie v1 visit '));
    for (const label of ['latchkey visit cookie v1 __Host-visit ', 'latchkey visit cookie v1 visit example.com', '']) {
      expect([label, (await ask(`visit=${sign(session.id, label)}`)).status]).toEqual([label, 401]);
    }
    const plain = createHmac('sha256', SECRETS.REFRESH_TOKEN_SECRET).update(`v1.${session.id}`).digest('base64url');
    expect((await ask(`visit=v1.${session.id}.${plain}`)).status).toBe(401);
    expect((await ask(`visit=${sign(session.id, 'latchkey visit cookie v1 visit ', 'x'.repeat(40))}`)).status).toBe(
      401,
    );
  });

  it.each<[string, (value: string) => string]>([
    ['nothing in it', () => 'visit='],
    ['a letter changed', (value) => `visit=${value.slice(0, -1)}${value.endsWith('A') ? 'B' : 'A'}`],
    ['a letter less', (value) => `visit=${value.slice(0, -1)}`],
    ['a letter more', (value) => `visit=${value}A`],
    ['padding', (value) => `visit=${value}=`],
    ['quotes', (value) => `visit="${value}"`],
    ['an escape', (value) => `visit=${value.replace('.', '%2E')}`],
    ['its id in capitals', (value) => `visit=${value.replace(/[0-9a-f-]{36}/, (id) => id.toUpperCase())}`],
    ['another version', (value) => `visit=${value.replace('v1', 'v2')}`],
    ['the id of another session', (value) => `visit=${value.replace(/[0-9a-f-]{36}/, randomUUID())}`],
    ['a comma and more', (value) => `visit=${value}, visit=${value}`],
    ['ten kilobytes', () => `visit=v1.${'a'.repeat(10_000)}`],
    ['an empty second one', (value) => `visit=${value}; visit=`],
    ['an empty one before', (value) => `visit=; visit=${value}`],
    ['itself twice', (value) => `visit=${value}; visit=${value}`],
    ['a bad one beside', (value) => `visit=${value}; a=b; visit=forged`],
    ['a name in capitals', (value) => `Visit=${value}`],
    ['a blank before the sign', (value) => `visit =${value}`],
    ['a longer name', (value) => `xvisit=${value}`],
    ['an old attribute before', (value) => `$Version=1, visit=${value}`],
  ])('A cookie with %s lets nobody in', async (_, spoil) => {
    const { cookies } = await browser();
    expect(codeOf(await ask(spoil(cookies['visit']!)))).toEqual([401, 'invalid_token']);
    expect((await ask(`theme=dark;visit=${cookies['visit']}\t; a=b`)).status).toBe(200);
  });
});

it('Cookies that come in several headers are those of one request, and two access tokens are no request at all', async () => {
  const { cookies, accessToken } = await browser();
  const statusOf = async (...lines: string[]) => {
    const headers = lines.map((line) => `${line}\r\n`).join('');
    const answer = await raw(t.api.url, `GET /verify HTTP/1.1\r\nHost: x\r\n${headers}Connection: close\r\n\r\n`);
    return answer.slice(9, 12);
  };
  const visit = `Cookie: visit=${cookies['visit']}`;
  expect(await statusOf('Cookie: a=b', visit)).toBe('200');
  expect(await statusOf(visit, visit)).toBe('401');
  expect(await statusOf('Cookie: visit=forged', visit)).toBe('401');
  const bearer = `Authorization: Bearer ${accessToken}`;
  expect(await statusOf(bearer, 'Authorization: Bearer forged', visit)).toBe('400');
  expect(await statusOf('Authorization: Basic eDp5', bearer)).toBe('400');
});

it('A visit says when the session was last seen, and neither extends it nor uses its refresh token', async () => {
  const { visit, session, cookies } = await browser();
  const rotated = await t.api.refreshByCookie(headerOf(cookies));
  const read = async () =>
    (
      await t.database.query<Record<'last_seen_at' | 'idle_expires_at' | 'used_generation', unknown>>(
        'SELECT last_seen_at, idle_expires_at, used_generation FROM sessions WHERE id = $1',
        [session.id],
      )
    )[0]!;
  await t.database.query(`UPDATE sessions SET last_seen_at = now() - interval '1 hour' WHERE id = $1`, [session.id]);
  const before = await read();
  expect((await ask(visit)).status).toBe(200);
  await until('it is seen', async () => Number((await read()).last_seen_at) > Number(before.last_seen_at));
  const { idle_expires_at, used_generation } = await read();
  expect([idle_expires_at, used_generation]).toEqual([before.idle_expires_at, 0]);
  // So a lost answer still heals.
  expect(cookiesOf(await t.api.refreshByCookie(headerOf(cookies)))).toEqual(cookiesOf(rotated));
});
