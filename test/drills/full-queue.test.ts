import { Client } from 'pg';
import { type Api, PASSWORD, someone } from '../support/api.js';
import { EventStream } from '../support/event-stream.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { type OwnPostgres, startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

// A PostgreSQL of its own, with the smallest queue of notifications there is: half a megabyte, for all of its databases.
let postgres: OwnPostgres;
let instances: Instance[];
let a: Api;
let b: Api;

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: postgres.url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

beforeAll(async () => {
  postgres = await startPostgres();
  const admin = await connect();
  await admin.query('ALTER SYSTEM SET max_notify_queue_pages = 64');
  await admin.end();
  await postgres.stop();
  await postgres.restart();
  const env = { DATABASE_URL: postgres.url };
  // One after the other: the first one migrates.
  instances = [await startInstance({ env }), await startInstance({ env })];
  [a, b] = instances.map(({ api }) => api) as [Api, Api];
}, 60_000);

afterAll(async () => {
  const admin = await connect();
  try {
    await expectInvariants({ query: async (sql, values) => (await admin.query(sql, values)).rows }, { api: a });
  } finally {
    await admin.end();
    await Promise.all((instances ?? []).map((instance) => instance.kill('SIGTERM')));
    await postgres?.stop();
  }
}, 60_000);

/** Listens, and never reads. Returns once nobody can notify any more. */
async function fillQueue(): Promise<Client> {
  const deaf = await connect();
  await deaf.query('LISTEN deaf');
  await deaf.query('BEGIN');
  await deaf.query('SELECT 1');
  const writer = await connect();
  await until('the queue is full', () =>
    writer.query(`SELECT pg_notify('deaf', repeat('x', 7900))`).then(
      () => false,
      (error: unknown) => String(error).includes('too many notifications'),
    ),
  );
  await writer.end();
  return deaf;
}

it('While the notification queue is full, requests succeed and streams get every event; notifying resumes afterwards', async () => {
  const account = await a.signUp();
  const other = await b.signIn(account.credentials);
  const streams = await Promise.all([a, b].map((api) => EventStream.open(api, account.accessToken)));
  const deaf = await fillQueue();

  const third = await b.signIn(account.credentials);
  const answers = {
    register: await a.register(someone()),
    refresh: await b.refresh(other.refreshToken),
    rename: await a.call('PATCH', `/sessions/${third.session.id}`, {
      bearer: account.accessToken,
      body: { deviceName: 'Phone' },
    }),
    delete: await a.endSession(account.accessToken, third.session.id),
    'password change': await b.call('POST', '/auth/password/change', {
      bearer: other.accessToken,
      body: { currentPassword: PASSWORD, newPassword: 'another passphrase of a test' },
    }),
  };
  expect(Object.entries(answers).filter(([, { status }]) => status >= 300)).toEqual([]);
  for (const stream of streams) {
    expect((await stream.ended())?.data).toMatchObject({ id: account.session.id, reason: 'password_changed' });
    for (const type of ['session.created', 'session.renamed', 'session.revoked']) {
      expect(stream.events.filter((event) => event.type === type && event.data.id === third.session.id)).toHaveLength(
        1,
      );
    }
  }
  const complaints = instances.map((instance) => instance.output().split('Cannot notify').length - 1);
  expect(complaints).toEqual([1, 1]);

  // The queue is as full as before when its reader is gone, until somebody asks how full it is.
  await deaf.end();
  const listener = await connect();
  const heard: string[] = [];
  listener.on('notification', ({ payload = '' }) => heard.push(payload));
  await listener.query('LISTEN latchkey_sessions');
  const next = await a.signUp();
  const stream = await EventStream.open(b, next.accessToken);
  const another = await a.signIn(next.credentials);
  await stream.await('session.created', another.session.id);
  await until('it is notified', () => heard.some((payload) => payload.includes(another.session.id)));
  await a.logout(next.refreshToken);
  expect((await stream.ended())?.data.reason).toBe('logout');
  await listener.end();
}, 60_000);
