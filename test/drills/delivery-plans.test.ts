import { Client } from 'pg';
import type { Database } from '../../src/database/database.js';
import { DeliveriesRepository } from '../../src/signals/deliveries/deliveries.repository.js';
import { ReceiversRepository } from '../../src/signals/receivers/receivers.repository.js';
import type { DeliverySender } from '../../src/signals/deliveries/delivery-sender.js';
import { ExpiredSessions } from '../../src/signals/expiry/expired-sessions.js';
import { StreamsRepository } from '../../src/signals/shared-signals/streams.repository.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

const MANY = 200_000;
const AT_ONCE = 64;
const CLAIM = { free: 512, share: AT_ONCE, underWay: [], seconds: 30 };
// Some of each index, and its own, for each of the 64 that are claimed. The table has more than ten thousand, and its indexes too.
const FEW_PAGES = 3000;
// A thousand at once.
const EXPIRED = 'sessions that expired';

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly Node[];
}

let database: TestDatabase;
let client: Client;
/** One that took as much before as waits for it now. */
let busy: string;

beforeAll(async () => {
  database = await createDatabase();
  client = new Client({ connectionString: database.adminUrl });
  await client.connect();
  // Nothing is known of the table: as on an installation whose first receiver is down soon.
  await client.query('ALTER TABLE deliveries SET (autovacuum_enabled = off)');
  await client.query('ALTER TABLE session_expiries SET (autovacuum_enabled = off)');
  await client.query(
    `INSERT INTO session_expiries (session_id, look_at)
     SELECT gen_random_uuid(), now() - interval '1 hour' FROM generate_series(1, ${MANY})`,
  );
  busy = await addReceiver();
  await insertMany(busy, 'delivered');
  await insertMany(busy, 'waiting');
  // Each of them was put off, and comes later.
  await insertMany(await addReceiver(), 'waiting', 100_000);
}, 120_000);

afterAll(async () => {
  await client.end();
  await database.drop();
});

async function addReceiver(): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO receivers (url, kind, events) VALUES ('http://127.0.0.1:9/', 'webhook', '{session.revoked}') RETURNING id`,
  );
  return rows[0]!.id;
}

/** Of a receiver, each about a session of its own. */
const insertMany = (receiverId: string, state: 'waiting' | 'delivered', minutesAhead = 0) =>
  client.query(
    `INSERT INTO deliveries (receiver_id, event, about, session_id, at, next_attempt_at, state, finished_at)
     SELECT $1, 'session.revoked', session, session, at, at + make_interval(mins => $4::integer), $2::text,
       CASE WHEN $2::text = 'delivered' THEN now() END
     FROM generate_series(1, $3::integer) n, LATERAL (
       SELECT gen_random_uuid() AS session, now() - interval '2 days' + make_interval(secs => n / 10.0) AS at
     ) times`,
    [receiverId, state, MANY, minutesAhead],
  );

const some = async () =>
  (
    await client.query(
      `SELECT id, receiver_id AS "receiverId" FROM deliveries WHERE receiver_id = $1 AND state = 'waiting'
       ORDER BY next_attempt_at LIMIT ${AT_ONCE - 1}`,
      [busy],
    )
  ).rows;

/** How many pages a statement reads, and of how many rows it is one; it is taken back. */
async function costOf(ask: (on: Database) => Promise<unknown>): Promise<{ pages: number; readWholly: unknown[] }> {
  let plan: Node | undefined;
  const explaining = {
    query: async ({ text, values }: { text: string; values: unknown[] }) => {
      const { rows } = await client.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`, values);
      plan = rows[0]['QUERY PLAN'][0].Plan;
      return { rows: [], rowCount: 0 };
    },
  };
  await client.query('BEGIN');
  await ask(explaining as unknown as Database);
  await client.query('ROLLBACK');
  const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
  const scans = nodesOf(plan!).filter((node) => node['Node Type'] === 'Seq Scan');
  return {
    pages: plan!['Shared Hit Blocks'] + plan!['Shared Read Blocks'],
    readWholly: scans.map((node) => node['Relation Name']),
  };
}

const ASKED: [what: string, ask: (on: Database) => Promise<unknown>][] = [
  ['what is claimed', (on) => new DeliveriesRepository(on).claim(CLAIM)],
  [
    'what is claimed beside what is under way',
    async (on) => new DeliveriesRepository(on).claim({ ...CLAIM, underWay: await some() }),
  ],
  [
    'what is noted',
    async (on) =>
      new DeliveriesRepository(on).settle((await some()).map((one: any) => ({ ...one, status: 204, answer: '' }))),
  ],
  ['what waits longest', (on) => new DeliveriesRepository(on).findBacklog()],
  ['what is overdue', (on) => new DeliveriesRepository(on).giveUpOverdue(AT_ONCE)],
  ['the newest, for staff', (on) => new DeliveriesRepository(on).list(busy, { limit: 50 })],
  ['a receiver, for staff', (on) => new ReceiversRepository(on).find(busy)],
  [EXPIRED, (on) => new ExpiredSessions(on, {} as DeliverySender)['look']()],
];
// Where nothing is known eight are expected of a stream, and all that wait are read and sorted: until autovacuum has counted, which
// is a minute.
const ASKED_ONCE_COUNTED: typeof ASKED = [
  ['what is polled', (on) => new StreamsRepository(on).listWaiting(busy, AT_ONCE)],
];

describe.each([
  ['of which nothing is known', 'SELECT', ASKED],
  ['that was counted', 'ANALYZE deliveries, session_expiries', [...ASKED, ...ASKED_ONCE_COUNTED]],
])('In a big table %s it is found by an index', (_, prepare, asked) => {
  beforeAll(() => client.query(prepare), 60_000);

  it.each(asked)('%s', async (what, ask) => {
    const { pages, readWholly } = await costOf(ask);
    expect(readWholly).not.toContain('deliveries');
    expect(readWholly).not.toContain('session_expiries');
    expect(pages).toBeLessThan(FEW_PAGES * (what === EXPIRED ? 10 : 1));
    // The control: something was found.
    expect(pages).toBeGreaterThan(1);
  });
});
