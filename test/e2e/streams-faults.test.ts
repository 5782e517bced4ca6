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
  'streams stay while the store %s, say so, and end once it can be seen that their session did',
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
