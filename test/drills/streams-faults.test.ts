import { connect } from 'node:net';
import type { Api } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { EventStream } from '../support/event-stream.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let near: Instance;
let far: Instance;

beforeAll(async () => {
  database = await createDatabase();
  proxy = await startDatabaseProxy(database.url);
  [near, far] = await Promise.all([
    startInstance({ env: { DATABASE_URL: database.url } }),
    // This one's database can be taken away.
    startInstance({ env: { DATABASE_URL: proxy.url, DATABASE_STATEMENT_TIMEOUT_MS: '1000' } }),
  ]);
}, 60_000);

afterAll(async () => {
  try {
    await expectInvariants(database, { api: near.api, hasFaults: true });
  } finally {
    await Promise.all([near, far].map((instance) => instance?.kill('SIGTERM')));
    proxy?.stop();
    await database.drop();
  }
});

const saysDegraded = ({ comments }: EventStream) =>
  until('the stream says so', () => comments.at(-1) === 'degraded', 30);

it.each([
  ['is gone', () => proxy.cut(), () => proxy.restore()],
  ['does not answer', () => proxy.hold(), () => proxy.release()],
])(
  'Streams stay open while the database %s, say so, and end once it can be seen that their session ended',
  async (_, take, giveBack) => {
    const account = await near.api.signUp();
    const [leaving, other] = [await near.api.signIn(account.credentials), await near.api.signIn(account.credentials)];
    const [stays, ends] = [
      await EventStream.open(far.api, account.accessToken),
      await EventStream.open(far.api, leaving.accessToken),
    ];
    take();
    await Promise.all([stays, ends].map(saysDegraded));
    await near.api.endSession(account.accessToken, leaving.session.id);
    await near.api.endSession(account.accessToken, other.session.id);
    expect([stays.endedAt, ends.endedAt]).toEqual([null, null]);

    giveBack();
    expect((await ends.ended())?.data).toMatchObject({ id: leaving.session.id, reason: 'revoked_by_user' });
    await stays.await('session.revoked', leaving.session.id);
    await stays.await('session.revoked', other.session.id);
    await until('the stream is well again', () => stays.comments.at(-1) === 'ping');
    stays.close();
  },
  60_000,
);

/** Asks for a stream and leaves, without waiting for anything. Returns how. */
async function askForStream({ url }: Api, bearer: string): Promise<() => Promise<void>> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) =>
    socket.write(`GET /sessions/events HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${bearer}\r\n\r\n`, () =>
      resolve(),
    ),
  );
  return () => new Promise((resolve) => socket.once('close', () => resolve()).destroy());
}

describe('a stream whose client left before it began is not counted', () => {
  const MOST = 10;

  it.each<[when: string, leave: (accessToken: string) => Promise<unknown>]>([
    [
      'while the database was asked about the session',
      async (accessToken) => {
        proxy.hold();
        const leave = await Promise.all(Array.from({ length: MOST }, () => askForStream(far.api, accessToken)));
        await until('the database was asked', () => proxy.held() > 0);
        await Promise.all(leave.map((one) => one()));
        // Whoever is answered later than they left knows that the instance has seen them leave.
        await far.api.call('GET', '/health/live');
        proxy.release();
      },
    ],
    [
      'as the database answered',
      async (accessToken) => {
        proxy.hold();
        const leave = await Promise.all(Array.from({ length: MOST }, () => askForStream(far.api, accessToken)));
        await until('the database was asked', () => proxy.held() > 0);
        const left = leave.map((one) => one());
        proxy.release();
        await Promise.all(left);
      },
    ],
    [
      'at whatever moment',
      async (accessToken) => {
        for (let turns = 0; turns < 4 * MOST; turns++) {
          const leave = await askForStream(far.api, accessToken);
          for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
          await leave();
        }
      },
    ],
  ])('A stream whose client left before it began, %s, does not count against the limit', async (_, leave) => {
    const { accessToken } = await near.api.signUp();
    for (let round = 0; round < 3; round++) {
      await leave(accessToken);
    }
    const open = () => EventStream.open(far.api, accessToken).catch(() => null);
    const streams: EventStream[] = [];
    await until('as many are open as may be', async () => {
      const stream = await open();
      if (stream) streams.push(stream);
      return streams.length === MOST;
    });
    expect((await far.api.call('GET', '/sessions/events', { bearer: accessToken })).status).toBe(429);

    streams.pop()?.close();
    streams.push(await until('one may be opened again', open));
    expect((await far.api.call('GET', '/sessions/events', { bearer: accessToken })).status).toBe(429);
    streams.forEach((stream) => stream.close());
  });
});
