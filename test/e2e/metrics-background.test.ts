import { Client } from 'pg';
import { someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { until } from '../support/until.js';

// What nobody asks for with a request, and an operator must see.

let database: TestDatabase;
let proxy: DatabaseProxy;
let instance: Instance;
let metricsUrl: string;

beforeAll(async () => {
  database = await createDatabase();
  proxy = await startDatabaseProxy(database.url);
  const METRICS_PORT = String(await freePort());
  metricsUrl = `http://127.0.0.1:${METRICS_PORT}/metrics`;
  instance = await startInstance({
    env: {
      DATABASE_URL: proxy.url,
      METRICS_PORT,
      WEB_CONCURRENCY: '2',
      // In production without a mail server, mails are kept.
      NODE_ENV: 'production',
      COOKIE_SECURE: 'false',
      LOG_LEVEL: 'info',
    },
  });
  await until('all workers are there', async () => (await valueOf('workers').catch(() => 0)) === 2, 60);
}, 90_000);

afterAll(async () => {
  await instance?.kill('SIGTERM');
  proxy?.stop();
  await database?.drop();
});

/** The value of a metric, undefined while there is none. */
async function valueOf(name: string): Promise<number | undefined> {
  const text = await (await fetch(metricsUrl)).text();
  const [, value] = new RegExp(`^latchkey_${name} (.+)$`, 'm').exec(text) ?? [];
  return value === undefined ? undefined : Number(value);
}

it('The metrics show how many mails wait and for how long, once for all workers', async () => {
  const before = (await valueOf('mail_backlog')) ?? NaN;
  const { status } = await instance.api.register(someone());
  expect(status).toBe(201);
  await database.query(`UPDATE mails SET created_at = now() - interval '2 hours'`);
  const [row] = await database.query<{ count: number }>('SELECT count(*)::integer AS count FROM mails');
  expect(row!.count).toBeGreaterThan(0);
  expect(await valueOf('mail_backlog')).toBe(before + row!.count);
  expect(await valueOf('mail_backlog_oldest_seconds')).toBeCloseTo(7200, -2);

  await database.query(
    `INSERT INTO mails (kind, recipient, user_id) SELECT 'new_device', '', gen_random_uuid() FROM generate_series(1, 10001)`,
  );
  expect(await valueOf('mail_backlog')).toBe(10_000);
  await database.query(`DELETE FROM mails`);
  expect([await valueOf('mail_backlog'), await valueOf('mail_backlog_oldest_seconds')]).toEqual([0, 0]);
});

it('The metrics show when the workers do not listen for ended sessions, and how often they lost the connection', async () => {
  await until('all workers listen', async () => (await valueOf('listening')) === 1);
  const lost = (await valueOf('listening_lost_total')) ?? NaN;
  proxy.cut();
  await until('none listens', async () => (await valueOf('listening')) === 0);
  // Metrics are shown all the same, and what the database knows is left out.
  expect(await valueOf('mail_backlog')).toBeUndefined();
  expect(await valueOf('workers')).toBe(2);
  proxy.restore();
  await until('all listen again', async () => (await valueOf('listening')) === 1);
  expect(await valueOf('listening_lost_total')).toBe(lost + 2);
  await until('the mails are counted', async () => (await valueOf('mail_backlog')) === 0);
});

it('While the database does not answer, the metrics leave out what it knows and do not wait for it', async () => {
  proxy.hold();
  expect(await valueOf('mail_backlog')).toBeUndefined();
  expect(await valueOf('notify_queue_usage_ratio')).toBeUndefined();
  expect(await valueOf('workers')).toBe(2);
  proxy.release();
  await until('the mails are counted', async () => (await valueOf('mail_backlog')) === 0);
});

it('The metrics show how full the NOTIFY queue is when a listener does not read it', async () => {
  const deaf = new Client({ connectionString: database.adminUrl });
  await deaf.connect();
  try {
    // In a transaction, nothing is read.
    await deaf.query('LISTEN latchkey_deaf');
    await deaf.query('BEGIN');
    for (let n = 0; n < 20; n++) {
      await database.query(
        `SELECT pg_notify('latchkey_deaf', $1 || n || repeat('x', 7000)) FROM generate_series(1, 1000) n`,
        [`${n}.`],
      );
    }
    const usage = await valueOf('notify_queue_usage_ratio');
    expect(usage).toBeGreaterThan(0);
    expect(usage).toBeLessThan(0.5);
    await deaf.query('ROLLBACK');
    await until('it is empty again', async () => (await valueOf('notify_queue_usage_ratio')) === 0);
  } finally {
    await deaf.end();
  }
});
