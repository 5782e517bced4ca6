import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { Client } from 'pg';
import { type Api, type AuthResult, PASSWORD } from '../support/api.js';
import { seedDevices } from '../support/devices.js';
import { EventStream } from '../support/event-stream.js';
import { resign } from '../support/forge.js';
import { freePort } from '../support/free-port.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { expireIdleIn, expireIn } from '../support/time.js';
import { until } from '../support/until.js';

const TIMES = 100;
const AT_ONCE = 25;

let metricsUrl: string;
beforeAll(async () => {
  metricsUrl = `http://127.0.0.1:${await freePort()}/metrics`;
});
const t = useInstances(2, {
  env: (index) => ({ MAX_STREAMS_PER_SESSION: '3', ...(index === 0 && { METRICS_PORT: new URL(metricsUrl).port }) }),
  // Accounts are deleted here.
  hasMissingRows: true,
});

const slowest: string[] = [];

afterAll(() => {
  process.stderr.write(`${slowest.join('\n')}\n`);
});

const openStreams = async () =>
  Number(/latchkey_event_streams (\d+)/.exec(await (await fetch(metricsUrl)).text())?.[1] ?? -1);
const seen = ({ events }: EventStream) => events.map(({ type, data }) => [type, data.id]);

describe('what a stream tells', () => {
  it('A stream reports what happens to any device of the account, on any instance', async () => {
    const account = await t.a.signUp();
    const stream = await EventStream.open(t.a, account.accessToken);
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream');
    expect(stream.response.headers.get('cache-control')).toContain('no-store');
    expect(stream.response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(stream.response.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
    expect(stream.comments[0]).toBe('ping');

    const other = await t.b.signIn(account.credentials);
    await stream.await('session.created', other.session.id);
    await t.b.refresh(other.refreshToken);
    await stream.await('session.refreshed', other.session.id);
    await t.b.call('PATCH', `/sessions/${other.session.id}`, {
      bearer: account.accessToken,
      body: { deviceName: 'Phone' },
    });
    await stream.await('session.renamed', other.session.id);
    await t.b.endSession(account.accessToken, other.session.id);
    const { data } = await stream.await('session.revoked', other.session.id);

    expect(data.reason).toBe('revoked_by_user');
    const [row] = await t.database.query<{ revoked_at: Date }>('SELECT revoked_at FROM sessions WHERE id = $1', [
      data.id,
    ]);
    expect(data.at).toBe(row!.revoked_at.toISOString());
    expect(seen(stream).filter(([, id]) => id === other.session.id)).toHaveLength(4);
    expect(stream.endedAt).toBeNull();
    stream.close();
  });

  it('A stream reports nothing of other accounts', async () => {
    const accounts = await Promise.all(Array.from({ length: 6 }, () => t.a.signUp()));
    const streams = await Promise.all(
      accounts.map(({ accessToken }, i) =>
        EventStream.open(i % 2 ? t.a : t.b, accessToken, { lastEventId: `${Date.now() - 60_000}` }),
      ),
    );
    const ids = accounts.map(({ session }) => new Set([session.id]));
    await Promise.all(
      accounts.map(async ({ credentials, accessToken }, i) => {
        for (let n = 0; n < 5; n++) {
          const other = await (i % 2 ? t.b : t.a).signIn(credentials);
          ids[i]!.add(other.session.id);
          await t.a.refresh(other.refreshToken);
          await t.b.endSession(accessToken, other.session.id);
          await streams[i]!.await('session.revoked', other.session.id);
        }
      }),
    );
    for (const [i, { events }] of streams.entries()) {
      expect(events.filter(({ data }) => !ids[i]!.has(data.id))).toEqual([]);
      expect(new Set(events.map(({ data }) => data.id))).toEqual(ids[i]);
    }
    streams.forEach((stream) => stream.close());
  });

  it('Streams open only with an active session, and no more at once than the limit allows', async () => {
    expect((await t.a.call('GET', '/sessions/events')).body.code).toBe('invalid_token');
    const { accessToken, refreshToken } = await t.a.signUp();
    const streams = [];
    for (let n = 0; n < 3; n++) streams.push(await EventStream.open(t.a, accessToken));
    const refused = await t.a.call('GET', '/sessions/events', { bearer: accessToken });
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([
      429,
      'too_many_requests',
      '60',
    ]);
    expect(refused.body.detail).toContain('set MAX_STREAMS_PER_SESSION to allow more');
    streams.pop()!.close();
    streams.push(await until('one may be opened again', () => EventStream.open(t.a, accessToken).catch(() => null)));
    await t.a.logout(refreshToken);
    await Promise.all(streams.map((stream) => stream.ended()));
    expect((await t.a.call('GET', '/sessions/events', { bearer: accessToken })).body.code).toBe('session_revoked');
  });

  it('A stream reopened with the last event id reports what was missed', async () => {
    const account = await t.a.signUp();
    const first = await EventStream.open(t.a, account.accessToken);
    const [one, two] = [await t.a.signIn(account.credentials), await t.b.signIn(account.credentials)];
    await first.await('session.created', two.session.id);
    const { id: lastEventId } = await first.await('session.created', one.session.id);
    first.close();

    await t.b.endSession(account.accessToken, one.session.id);
    await t.a.refresh(two.refreshToken);
    const back = await EventStream.open(t.b, account.accessToken, { lastEventId });
    await back.await('session.refreshed', two.session.id);
    expect(seen(back)).toEqual([
      ['session.created', two.session.id],
      ['session.revoked', one.session.id],
      ['session.refreshed', two.session.id],
    ]);
    const again = await EventStream.open(t.a, account.accessToken, { lastEventId: back.events[1]!.id });
    await t.a.endSession(account.accessToken, two.session.id);
    await again.await('session.revoked', two.session.id);
    expect(seen(again)).toEqual([
      ['session.refreshed', two.session.id],
      ['session.revoked', two.session.id],
    ]);
    [back, again].forEach((stream) => stream.close());
  });

  it('A stream reopened during changes reports what was missed and what happens meanwhile once each', async () => {
    const TELLS = 60;
    const all = await devices(10);
    const [{ accessToken, session }] = all;
    const lastEventId = `${Date.now()}`;
    const streams: Promise<EventStream>[] = [];
    for (let n = 0; n < TELLS; n++) {
      await t.a.call('PATCH', `/sessions/${session.id}`, { bearer: accessToken, body: { deviceName: `Phone ${n}` } });
      if (n % 2 === 0) {
        streams.push(EventStream.open(n % 4 ? t.a : t.b, all[(n / 2) % 10]!.accessToken, { lastEventId }));
      }
    }
    for (const stream of await Promise.all(streams)) {
      const renamed = () => stream.events.filter(({ type }) => type === 'session.renamed');
      await until('everything was told', () => renamed().length >= TELLS);
      expect([renamed().length, new Set(renamed().map(({ id }) => id)).size]).toEqual([TELLS, TELLS]);
      stream.close();
    }
  });

  it('A stream reopened while changes are not committed yet reports each of them once, on either instance', async () => {
    const holder = new Client({ connectionString: t.database.url });
    await holder.connect();
    const rename = (api: Api, { accessToken }: AuthResult, id: string) =>
      api.call('PATCH', `/sessions/${id}`, { bearer: accessToken, body: { deviceName: randomUUID() } });
    let outOfOrder = 0;
    try {
      for (let round = 0; round < 30; round++) {
        const [from, to] = round % 2 ? [t.a, t.b] : [t.b, t.a];
        const [own, witness, ...others] = await devices(8);
        const open = (lastEventId?: string) =>
          EventStream.open(to, own.accessToken, lastEventId === undefined ? {} : { lastEventId });
        const sees = await EventStream.open(from, witness.accessToken);
        const first = await EventStream.open(from, own.accessToken);

        // Dated now, and committed when their rows are free again.
        await holder.query('BEGIN');
        await holder.query(`SELECT FROM sessions WHERE id = ANY($1) FOR UPDATE`, [
          others.map(({ session }) => session.id),
        ]);
        const held = others.map((device, i) =>
          i % 3 === 0
            ? rename(i % 2 ? t.a : t.b, device, device.session.id)
            : i % 3 === 1
              ? device.refresh(i % 2 ? t.a : t.b)
              : (i % 2 ? t.a : t.b).endSession(own.accessToken, device.session.id),
        );
        await until('they are on their way', async () => {
          const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
          return (await t.database.query(sql)).length === others.length;
        });
        await rename(from, own, own.session.id);
        await rename(to, own, witness.session.id);
        const { id: lastEventId } = await first.await('session.renamed', witness.session.id);
        first.close();

        // Before, while and after the stream is opened again.
        const opening = round % 3 === 0 ? [] : [open(lastEventId)];
        if (round % 3 === 2) await opening[0];
        await holder.query('COMMIT');
        if (round % 3 === 0) opening.push(open(lastEventId));
        expect((await Promise.all(held)).map(({ status }) => status)).toEqual(
          others.map((_, i) => [200, 200, 204][i % 3]),
        );
        await rename(from, own, own.session.id);

        const second = await opening[0]!;
        await until(
          'the last is told',
          () => sees.events.filter(({ data }) => data.id === own.session.id).length === 2,
        );
        const last = sees.events.at(-1)!;
        await until('the last is told to the other', () => second.events.some(({ id }) => id === last.id));
        const told = [...first.events, ...second.events];
        expect(told.map(({ id }) => id).toSorted()).toEqual(sees.events.map(({ id }) => id).toSorted());
        expect(told).toHaveLength(3 + others.length);
        outOfOrder += second.events.filter(({ data }) => data.at < first.events.at(-1)!.data.at).length;

        // And from wherever among them it is cut, the rest.
        const cutAt = round % second.events.length;
        const rest = second.events.slice(cutAt + 1).map(({ id }) => id);
        const third = await open(second.events[cutAt]!.id);
        await rename(from, own, witness.session.id);
        await third.await('session.renamed', witness.session.id);
        expect(third.events.map(({ id }) => id).slice(0, -1)).toEqual(rest);
        third.close();
        [sees, second].forEach((stream) => stream.close());
      }
    } finally {
      await holder.end();
    }
    // What this is about did happen.
    expect(outOfOrder).toBeGreaterThan(30);
  }, 120_000);

  it('A stream reopened as its own session ends reports that end once', async () => {
    const ends: (unknown[] | null)[] = [];
    for (let round = 0; round < 40; round++) {
      const [own, other] = await devices(2);
      const opening = EventStream.open(round % 2 ? t.a : t.b, own.accessToken, { lastEventId: `${Date.now()}` });
      const [stream] = await Promise.all([
        opening.catch(() => null),
        t.a.endSession(other.accessToken, own.session.id),
      ]);
      await stream?.ended();
      ends.push(stream && seen(stream).filter(([type]) => type === 'session.revoked'));
    }
    const told = ends.filter((end) => end !== null);
    expect(told.length).toBeGreaterThan(0);
    expect(told.filter(({ length }) => length !== 1)).toEqual([]);
  }, 60_000);

  it.each([
    ['over an hour old', () => `${Date.now() - 3_700_000}.${randomUUID()}`],
    ['not an id', () => 'x'],
    ['far too large', () => '9'.repeat(40)],
    ['empty', () => ' '],
  ])('A stream reopened with a last event id that is %s reports that it cannot know what was missed', async (_, id) => {
    const { accessToken, session } = await t.a.signUp();
    const stream = await EventStream.open(t.b, accessToken, { lastEventId: id() });
    await until('it says so', () => stream.events.length > 0);
    expect(stream.events.map(({ type }) => type)).toEqual(['resync']);
    expect(stream.events[0]!.data).toEqual({});
    await t.b.endSession(accessToken, session.id);
    expect((await stream.ended())?.type).toBe('session.revoked');
  });

  it('A HEAD request for a stream gets the head alone, and its connection takes further requests', async () => {
    const { accessToken } = await t.a.signUp();
    const { hostname, port } = new URL(t.a.url);
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    for (const [method, path] of [
      ['HEAD', '/sessions/events'],
      ['GET', '/auth/me'],
    ]) {
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${accessToken}\r\n\r\n`);
    }
    await until('the second is answered', () => text.includes('"email"'));
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*text\/event-stream[^]*\r\n\r\nHTTP\/1\.1 200 OK/);
    socket.destroy();
  });

  it('A stream whose client does not read is dropped', async () => {
    const { accessToken, user } = await t.a.signUp();
    await until('no stream is open', async () => (await openStreams()) === 0);
    const { hostname, port } = new URL(t.a.url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.write(`GET /sessions/events HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${accessToken}\r\n\r\n`);
    await until('the stream is open', async () => (await openStreams()) === 1);
    socket.on('error', () => undefined);
    await until('the stream is dropped', async () => {
      await t.database.query(
        `SELECT pg_notify('latchkey_sessions', json_build_array(json_build_object('eventId', gen_random_uuid(), 'type', 'session_revoked',
           'userId', $1::text, 'sessionId', gen_random_uuid(), 'reason', repeat('x', 7000), 'at', 0))::text)
         FROM generate_series(1, 500)`,
        [user.id],
      );
      return (await openStreams()) === 0;
    });
    socket.destroy();
  });
});

/** A user with two devices, and a stream of the first at each instance. */
interface Watched {
  readonly account: AuthResult;
  readonly other: AuthResult;
  readonly streams: EventStream[];
}

const devices = (count: number) => seedDevices(t.database, [t.a], count);

async function watched(prepare?: (account: AuthResult) => Promise<unknown>): Promise<Watched> {
  const [account, other] = await devices(2);
  await prepare?.(account);
  const streams = await Promise.all([t.a, t.b].map((api) => EventStream.open(api, account.accessToken)));
  return { account, other, streams };
}

/** How many milliseconds after the answer the last of them ended, at the latest of many times. */
async function slowestEnd(
  what: string,
  times: number,
  end: (watched: Watched, api: Api) => Promise<unknown>,
  { reason, prepare }: { reason: string; prepare?: (account: AuthResult) => Promise<unknown> },
): Promise<void> {
  let worst = 0;
  for (let done = 0; done < times; done += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, i) => {
        const one = await watched(prepare);
        await end(one, i % 2 ? t.a : t.b);
        const answeredAt = performance.now();
        for (const stream of one.streams) {
          const last = await stream.ended();
          expect([last?.type, last?.data]).toMatchObject(['session.revoked', { id: one.account.session.id, reason }]);
          worst = Math.max(worst, stream.endedAt! - answeredAt);
        }
      }),
    );
  }
  slowest.push(`streams ended after ${what}: ${times} times, the slowest ${worst.toFixed(0)} ms after the answer`);
}

const NEW_PASSWORD = 'another passphrase of a test';
type End = (watched: Watched, api: Api) => Promise<unknown>;
const logout: End = ({ account }, api) => api.logout(account.refreshToken);

describe('a stream ends with its session, on whatever instance that ended', () => {
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
      ({ account }) =>
        t.database.query(
          `WITH ended AS (
             UPDATE sessions SET revoked_at = now(), revoked_reason = 'revoked_by_admin', revoked_by = user_id
             WHERE id = $1 RETURNING *
           )
           INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason)
           SELECT 'session_revoked', 'success', user_id, id, revoked_by, revoked_reason FROM ended`,
          [account.session.id],
        ),
    ],
    [
      'the deletion of the account',
      'account_deleted',
      ({ other }, api) =>
        api.call('POST', '/auth/me/delete', { bearer: other.accessToken, body: { password: PASSWORD } }),
    ],
  ])(
    'Streams of a session end on both instances after %s',
    async (what, reason, end) => {
      await slowestEnd(what, TIMES, end, { reason });
    },
    120_000,
  );

  it('Streams of a session end on both instances after staff revoke it or disable the account', async () => {
    const staff = await t.a.signUp();
    await t.database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
    const asStaff = (path: string, api: Api) =>
      api.call('POST', path, { bearer: staff.accessToken, body: { reason: 'a test' } });
    await slowestEnd(
      'staff ending it',
      TIMES,
      ({ account }, api) => asStaff(`/admin/sessions/${account.session.id}/revoke`, api),
      { reason: 'revoked_by_admin' },
    );
    await slowestEnd(
      'staff disabling the account',
      TIMES,
      ({ account }, api) => asStaff(`/admin/users/${account.user.id}/disable`, api),
      { reason: 'user_disabled' },
    );
  }, 120_000);

  it.each([
    ['idle_expires_at', expireIdleIn],
    ['expires_at', expireIn],
  ] as const)(
    'Streams of a session end on both instances once its %s has passed',
    async (column, expiresIn) => {
      // The end is set before the streams open, and lies a moment ahead then.
      const endsSoon = ({ session }: AuthResult) => expiresIn(t.database, session.id, '1 second');
      const isOver: End = ({ account }) =>
        until('the session has expired', async () => {
          const sql = 'SELECT FROM sessions WHERE id = $1 AND least(idle_expires_at, expires_at) <= now()';
          return (await t.database.query(sql, [account.session.id])).length > 0;
        });
      await slowestEnd(`expiry (${column})`, TIMES, isOver, { reason: 'expired', prepare: endsSoon });
    },
    120_000,
  );

  it('A stream stays open past the former idle end of its session where a refresh has put that off', async () => {
    const { account, streams } = await watched(({ session }) => expireIdleIn(t.database, session.id, '1 second'));
    await t.a.refresh(account.refreshToken);
    await until('the former end has passed', async () => {
      const sql = `SELECT FROM sessions WHERE id = $1 AND rotated_at < now() - interval '2 seconds'`;
      return (await t.database.query(sql, [account.session.id])).length > 0;
    });
    expect(streams.map(({ endedAt }) => endedAt)).toEqual([null, null]);
    await t.a.logout(account.refreshToken);
    await Promise.all(streams.map((stream) => stream.ended()));
  });

  it('Streams end after a logout, and report each change once, though the LISTEN connections were just cut', async () => {
    const cut = () =>
      t.database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
      );
    await slowestEnd(
      'logout with the listeners cut',
      TIMES,
      async (one, api) => {
        await cut();
        await logout(one, api);
      },
      { reason: 'logout' },
    );

    // And what happened to other devices meanwhile is told, once, and nothing again that was told before.
    const { account, other, streams } = await watched();
    const rename = { bearer: account.accessToken, body: { deviceName: 'Phone' } };
    await t.a.call('PATCH', `/sessions/${other.session.id}`, rename);
    for (const stream of streams) await stream.await('session.renamed', other.session.id);
    await cut();
    await t.a.endSession(account.accessToken, other.session.id);
    const third = await t.b.signIn({ email: account.user.email, password: PASSWORD });
    for (const stream of streams) {
      await stream.await('session.revoked', other.session.id);
      await stream.await('session.created', third.session.id);
    }
    await t.a.endSession(third.accessToken, third.session.id);
    for (const stream of streams) {
      await stream.await('session.revoked', third.session.id);
      expect(new Set(stream.events.map(({ id }) => id)).size).toBe(stream.events.length);
      stream.close();
    }
  }, 120_000);

  it('Streams of a session end though the instance that answered the logout is killed right after', async () => {
    let worst = 0;
    for (let round = 0; round < 5; round++) {
      const doomed = await startInstance({ env: { DATABASE_URL: t.database.url } });
      const all = await Promise.all(Array.from({ length: TIMES / 5 }, () => watched()));
      await Promise.all(all.map((one) => logout(one, doomed.api)));
      const answeredAt = performance.now();
      await doomed.kill('SIGKILL');
      for (const stream of all.flatMap(({ streams }) => streams)) {
        await stream.ended();
        worst = Math.max(worst, stream.endedAt! - answeredAt);
      }
    }
    slowest.push(
      `streams ended after logout at an instance killed then: ${TIMES} times, the slowest ${worst.toFixed(0)} ms`,
    );
  }, 120_000);

  it('A stream outlives the access token it was opened with and ends with its session', async () => {
    const account = await t.a.signUp();
    // Half a minute of clock skew is allowed for: this one is good for two seconds more.
    const brief = resign(account, { exp: Math.floor(Date.now() / 1000) - 28 });
    const stream = await EventStream.open(t.b, brief);
    await until('the access token has expired', async () => (await t.a.me(brief)).status === 401);
    const other = await t.a.signIn(account.credentials);
    await stream.await('session.created', other.session.id);
    await t.b.logout(account.refreshToken);
    expect((await stream.ended())?.data.reason).toBe('logout');
  });
});

it('A stream ends as its instance stops, and its session goes on at another instance', async () => {
  const { accessToken, session } = await t.a.signUp();
  const leaving = await startInstance({ env: { DATABASE_URL: t.database.url } });
  const stream = await EventStream.open(leaving.api, accessToken);
  expect(await leaving.kill('SIGTERM')).toBe(0);
  await stream.ended();
  // The session goes on, elsewhere.
  expect(stream.events.filter(({ type }) => type === 'session.revoked')).toEqual([]);
  const elsewhere = await EventStream.open(t.a, accessToken, { lastEventId: `${Date.now()}` });
  await t.a.endSession(accessToken, session.id);
  expect((await elsewhere.ended())?.data.id).toBe(session.id);
});
