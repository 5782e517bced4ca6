import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BROWSERS } from '../../src/sessions/device-label.js';
import { useApp } from '../support/app.js';
import { expireIdle, leaveUnseen } from '../support/time.js';

const t = useApp();
const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1';

describe('the device list', () => {
  it('The device list shows the current device first, then the newest, with the browser and system of each', async () => {
    const first = await t.api.signUp();
    const laptop = (await t.api.login(first.credentials, { headers: { 'user-agent': FIREFOX } })).body;
    const phone = (
      await t.api.login({ ...first.credentials, deviceName: 'My phone' }, { headers: { 'user-agent': IPHONE } })
    ).body;

    const { body } = await t.api.sessions(first.accessToken);
    expect(body.nextCursor).toBeNull();
    expect(body.items.map(({ id, current }) => [id, current])).toEqual([
      [first.session.id, true],
      [phone.session.id, false],
      [laptop.session.id, false],
    ]);
    expect(body.items[1]!.device).toEqual({
      label: 'Safari on iOS',
      name: 'My phone',
      browser: 'Safari',
      os: 'iOS',
      type: 'mobile',
    });
    expect(body.items[2]!.device).toEqual({
      label: 'Firefox on Windows',
      name: null,
      browser: 'Firefox',
      os: 'Windows',
      type: 'desktop',
    });
    expect(JSON.stringify(body)).not.toMatch(/hash|generation|revoked/i);
  });

  it.each([
    ['Your account is locked. Open https://evil.test/unlock to keep it/1.0', 'Unknown device'],
    ['Your account is locked. Open https://evil.test/unlock to keep it/1.0 (Windows NT 10.0)', 'Windows'],
    ['evil.test/1.0', 'Unknown device'],
    ['evil.test', 'Unknown device'],
    ['https://evil.test/', 'Unknown device'],
    ['Call-0800-555/1.0', 'Unknown device'],
    ['Your-account-is-locked/1.0', 'Unknown device'],
    [`${'a'.repeat(25)}/1.0`, 'Unknown device'],
    ['unlock/now', 'Unknown device'],
    ['curl/8.5.0', 'curl'],
    ['Go-http-client/1.1', 'Go-http-client'],
    ['python-requests/2.31.0', 'python-requests'],
    ['Dart/3.5 (dart:io)', 'Dart'],
    ['Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.16', 'Opera on Windows'],
    ['Mozilla/5.0 (X11; Linux x86_64) Unheard-of/1.0', 'Mozilla on Linux'],
    ['', 'Unknown device'],
  ])('The device list labels the user agent "%s" as "%s"', async (userAgent, label) => {
    const { credentials } = await t.api.signUp();
    const { body } = await t.api.login(credentials, { headers: { 'user-agent': userAgent } });
    const { device } = (await t.api.sessions(body.accessToken)).body.items[0]!;
    expect(device.label).toBe(label);
    for (const part of [device.browser, device.os]) {
      expect(part ?? '').not.toMatch(/evil|locked|[./:]/);
    }
  });

  it('The device list knows every browser that the parser of user agents knows', () => {
    const rules = readFileSync('node_modules/bowser/src/parser-browsers.js', 'utf8');
    const names = [...rules.matchAll(/name: '([^']+)'/g)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name) => !BROWSERS.has(name))).toEqual([]);
  });

  it('The device list comes in pages that leave nothing out and show nothing twice', async () => {
    const first = await t.api.signUp();
    for (let i = 0; i < 6; i++) await t.api.signIn(first.credentials);

    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { status, body } = await t.api.sessions(first.accessToken, `?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      seen.push(...body.items.map(({ id }) => id));
      cursor = body.nextCursor;
    }
    const whole = (await t.api.sessions(first.accessToken)).body.items.map(({ id }) => id);
    expect(seen).toEqual(whole);
    expect(new Set(seen).size).toBe(7);

    const one = (await t.api.sessions(first.accessToken, '?limit=1')).body;
    expect(one.items[0]!.current).toBe(true);
    const next = (await t.api.sessions(first.accessToken, `?limit=1&cursor=${one.nextCursor}`)).body;
    expect(next.items[0]!.id).toBe(whole[1]);
  });

  it.each([
    '?limit=0',
    '?limit=101',
    '?limit=x',
    '?limit=1.5',
    '?limit=-1',
    '?limit=',
    '?limit=1&limit=2',
    '?cursor=nonsense',
    '?cursor=',
    '?page=2',
  ])('The device list refuses the query %s', async (query) => {
    const { accessToken } = await t.api.signUp();
    expect(await t.api.sessions(accessToken, query)).toMatchObject({
      status: 400,
      body: { code: 'validation_failed' },
    });
  });

  it('The device list shows only active sessions of the caller', async () => {
    const first = await t.api.signUp();
    const expired = await t.api.signIn(first.credentials);
    const ended = await t.api.signIn(first.credentials);
    await t.api.signUp();
    await expireIdle(t.database, expired.session.id);
    await t.api.endSession(first.accessToken, ended.session.id);

    expect((await t.api.sessions(first.accessToken)).body.items.map(({ id }) => id)).toEqual([first.session.id]);
  });

  it('GET /sessions/current answers with the session of the request', async () => {
    const { accessToken, session } = await t.api.signUp();
    expect((await t.api.call('GET', '/sessions/current', { bearer: accessToken })).body).toEqual(session);
  });
});

describe('naming a device', () => {
  it('A user can give a device a name', async () => {
    const { accessToken, session } = await t.api.signUp();
    const answer = await t.api.call('PATCH', `/sessions/${session.id}`, {
      bearer: accessToken,
      body: { deviceName: 'Küche 📱' },
    });
    expect(answer).toMatchObject({
      status: 200,
      body: { id: session.id, current: true, device: { name: 'Küche 📱' } },
    });
  });

  it.each([[''], [' '], ['x'.repeat(65)], ['a\u0000b'], ['a\nb'], ['a\u202eb'], [null], [5], [['a']], [{}]])(
    'A device cannot be given the name %j',
    async (deviceName) => {
      const { accessToken, session } = await t.api.signUp();
      const answer = await t.api.call('PATCH', `/sessions/${session.id}`, {
        bearer: accessToken,
        body: { deviceName },
      });
      expect(answer).toMatchObject({
        status: 400,
        body: { code: 'validation_failed', errors: [{ field: 'deviceName' }] },
      });
    },
  );
});

describe('logging out one device', () => {
  it('Logging out one device revokes its session and no other', async () => {
    const laptop = await t.api.signUp();
    const phone = await t.api.signIn(laptop.credentials);
    const tablet = await t.api.signIn(laptop.credentials);

    expect((await t.api.endSession(laptop.accessToken, phone.session.id)).status).toBe(204);

    expect(await t.api.me(phone.accessToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    expect(await t.api.refresh(phone.refreshToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    expect((await t.api.me(laptop.accessToken)).status).toBe(200);
    expect((await t.api.refresh(tablet.refreshToken)).status).toBe(200);
    const [row] = await t.database.query('SELECT revoked_reason, revoked_by FROM sessions WHERE id = $1', [
      phone.session.id,
    ]);
    expect(row).toEqual({ revoked_reason: 'revoked_by_user', revoked_by: laptop.user.id });
  });

  it('Unknown, ended, foreign and malformed session ids are answered with the same bytes, and change nothing', async () => {
    const caller = await t.api.signUp();
    const stranger = await t.api.signUp();
    const ended = await t.api.signIn(caller.credentials);
    await t.api.endSession(caller.accessToken, ended.session.id);

    const bodies = new Set<string>();
    for (const id of [randomUUID(), ended.session.id, stranger.session.id, 'nonsense', '%00', "1' OR '1'='1"]) {
      for (const [method, body] of [
        ['DELETE', undefined],
        ['PATCH', { deviceName: 'mine now' }],
      ] as const) {
        const answer = await t.api.call(method, `/sessions/${encodeURIComponent(id)}`, {
          bearer: caller.accessToken,
          ...(body && { body }),
        });
        const { requestId, ...rest } = answer.body;
        bodies.add(JSON.stringify([answer.status, rest]));
      }
    }
    expect([...bodies]).toHaveLength(1);
    expect([...bodies][0]).toContain('session_not_found');
    expect((await t.api.me(stranger.accessToken)).body.session.device.name).toBeNull();
  });
});

describe('last seen', () => {
  it('The last-seen time of a session moves with use, and not with a refused call', async () => {
    const { accessToken, refreshToken, session } = await t.api.signUp();
    await t.api.logout(refreshToken);
    const seen = async () =>
      (
        await t.database.query<{ last_seen_at: Date }>('SELECT last_seen_at FROM sessions WHERE id = $1', [session.id])
      )[0]!.last_seen_at;
    await leaveUnseen(t.database, session.id, '2 hours');
    const before = await seen();
    await t.api.me(accessToken);

    const other = await t.api.signUp();
    await leaveUnseen(t.database, other.session.id, '2 hours');
    await t.api.me(other.accessToken);
    const { until } = await import('../support/until.js');
    await until('the other session is seen', async () => {
      const [row] = await t.database.query<{ recent: boolean }>(
        `SELECT last_seen_at > now() - interval '1 minute' AS recent FROM sessions WHERE id = $1`,
        [other.session.id],
      );
      return row!.recent;
    });
    expect(await seen()).toEqual(before);
  });
});
