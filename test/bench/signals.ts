// npm run bench:signals [-- --quick]
//
// What a logout costs with receivers and without, and how many deliveries are sent in a second to one that is back after a while.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { KeyCipher } from '../../src/keys/key-cipher.js';
import { makeReceiverSecret } from '../../src/signals/receivers/receiver-secret.js';
import { SECRETS } from '../support/secrets.js';
import { Client } from './client.js';
import { latchkeyCalls } from './latchkey-calls.js';
import { ALL_CORES, describeMachine, leaveServerCore } from './machine.js';
import { type Figures, measureOnce, medianOf } from './measure.js';
import { type Server, serveLatchkey, serveReceiver } from './servers.js';
import { query, seedLatchkey, startStore } from './store.js';
import { micro, table, whole } from './tables.js';

const { values: options } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const sizes = options.quick
  ? { sessions: 40_000, rounds: 3, waiting: 10_000, catchUps: 1 }
  : { sessions: 100_000, rounds: 9, waiting: 50_000, catchUps: 3 };
const WARM_UP_ROUNDS = 4;
const MOST_SECONDS = 60;
const SLOW_MS = 20;
const NO_TRIGGERS = 'without the triggers';

interface Contestant {
  readonly name: string;
  readonly url: string;
  readonly server: Server;
}

const serve = (url: string, cores?: string) =>
  serveLatchkey(url, 'strict', { cores, env: { RECEIVER_NETWORKS: '127.0.0.1' } });

/** One that takes nothing yet: what happens waits for it. */
async function addReceiver(url: string, address: string): Promise<string> {
  const id = randomUUID();
  const secret = new KeyCipher([SECRETS.JWT_SECRET], 'receivers').encrypt(id, Buffer.from(makeReceiverSecret()));
  await query(url, [
    `INSERT INTO receivers (id, url, kind, events, encrypted_secret, paused_at)
     VALUES ($1, $2, 'webhook', '{session.revoked}', $3, now())`,
    [id, address, secret],
  ]);
  return id;
}

/** Ends sessions, as many as there are. What is to be sent of it waits. */
async function logOut({ url, server }: Contestant): Promise<Figures> {
  const { prepare, connections } = latchkeyCalls(url).find(({ name }) => name === 'logout')!;
  const client = new Client(server.url, connections);
  const call = await prepare(client, Infinity);
  const figures = await measureOnce(store, server, async () => {
    const times = await client.all(MOST_SECONDS, async (connection) => {
      const answer = await call(connection);
      if (answer && answer.status >= 300) throw new Error(`logout: ${answer.status}`);
      return answer !== null;
    });
    // The last call of each connection finds nothing more.
    return { requests: times.calls - connections, ...times };
  });
  client.close();
  return figures;
}

async function benchLogouts(address: string): Promise<string> {
  const contestants: Contestant[] = [];
  for (const [name, receivers] of [
    [NO_TRIGGERS, 0],
    ['no receiver', 0],
    ['1 receiver', 1],
    ['5 receivers', 5],
  ] as const) {
    const url = await seedLatchkey(store, `logouts_${contestants.length}`, sizes.sessions);
    if (name === NO_TRIGGERS) {
      await query(
        url,
        'ALTER TABLE audit_events DISABLE TRIGGER audit_events_deliver',
        'ALTER TABLE sessions DISABLE TRIGGER sessions_note_expiry',
      );
    }
    for (let i = 0; i < receivers; i++) await addReceiver(url, address);
    contestants.push({ name, url, server: await serve(url) });
  }
  const found = new Map<Contestant, Figures[]>(contestants.map((contestant) => [contestant, []]));
  for (let round = -WARM_UP_ROUNDS; round < sizes.rounds; round++) {
    for (const contestant of contestants) {
      const figures = await logOut(contestant);
      if (round >= 0) found.get(contestant)!.push(figures);
    }
  }
  await Promise.all(contestants.map(({ server }) => server.stop()));
  const without = medianOf(found.get(contestants[1]!)!);
  return table(
    ['logout', 'per second', 'server', 'PostgreSQL', 'both, to no receiver', 'p50 ms', 'p99 ms'],
    contestants.map((contestant) => {
      const { perSecond, serverCpu, storeCpu, p50, p99 } = medianOf(found.get(contestant)!);
      const both = (figures: Pick<Figures, 'serverCpu' | 'storeCpu'>) =>
        (figures.serverCpu ?? 0) + (figures.storeCpu ?? 0);
      const more = both({ serverCpu, storeCpu }) / both(without) - 1;
      return [
        contestant.name,
        whole(perSecond),
        micro(serverCpu),
        micro(storeCpu),
        `${more < 0 ? '' : '+'}${(more * 100).toFixed(0)} %`,
        p50.toFixed(2),
        p99.toFixed(2),
      ];
    }),
  );
}

/** So many deliveries, each about a session of its own, that have waited for an hour. They are sent from now on. */
async function catchUp(instances: number, address: string): Promise<Figures> {
  const url = await store.createDatabase(`catch_up_${databases++}`, { template: 'template_of_catch_up' });
  const id = await addReceiver(url, address);
  await query(
    url,
    [
      `INSERT INTO deliveries (receiver_id, event, about, user_id, session_id, reason, at, next_attempt_at)
       SELECT $1, 'session.revoked', session, gen_random_uuid(), session, 'logout', at, at
       FROM generate_series(1, $2::integer) n, LATERAL (
         SELECT gen_random_uuid() AS session, now() - interval '1 hour' + n * interval '1 hour' / $2 AS at
       ) x`,
      [id, sizes.waiting],
    ],
    'VACUUM ANALYZE deliveries',
    'CHECKPOINT',
  );
  const servers = await Promise.all(
    Array.from({ length: instances }, (_, i) => serve(url, i === 0 ? undefined : ALL_CORES)),
  );
  const startedAt = performance.now();
  const left = `SELECT FROM deliveries WHERE receiver_id = $1 AND state = 'waiting' ORDER BY position LIMIT 1`;
  const figures = await measureOnce(store, servers[0]!, async () => {
    await query(url, 'UPDATE receivers SET paused_at = NULL');
    while ((await query(url, [left, [id]])).length > 0) await sleep(250);
    return { requests: sizes.waiting, seconds: (performance.now() - startedAt) / 1000, p50: 0, p99: 0 };
  });
  await Promise.all(servers.map((server) => server.stop()));
  return figures;
}

async function benchCatchUps(address: string, slowAddress: string): Promise<string> {
  await seedLatchkey(store, 'template_of_catch_up', 10);
  const contestants: [string, number, string][] = [
    ['one instance', 1, address],
    [`one instance, a receiver that takes ${SLOW_MS} ms`, 1, slowAddress],
    ['two instances', 2, address],
  ];
  const found = new Map<string, Figures[]>(contestants.map(([name]) => [name, []]));
  for (let round = 0; round < sizes.catchUps; round++) {
    for (const [name, instances, to] of contestants) found.get(name)!.push(await catchUp(instances, to));
  }
  return table(
    ['delivery to one receiver that is back', 'per second', 'server', 'PostgreSQL'],
    contestants.map(([name, instances]) => {
      const { perSecond, serverCpu, storeCpu } = medianOf(found.get(name)!);
      return [name, whole(perSecond), instances === 1 ? micro(serverCpu) : '–', micro(storeCpu)];
    }),
  );
}

leaveServerCore();
let databases = 0;
const store = await startStore();
const receivers = await Promise.all([serveReceiver(0), serveReceiver(SLOW_MS)]);
try {
  const [address = '', slowAddress = ''] = receivers.map(({ url }) => `${url}/hook`);
  console.log(`${await benchLogouts(address)}\n`);
  console.log(await benchCatchUps(address, slowAddress));
  console.log(
    `\n${new Date().toISOString().slice(0, 10)}, ${describeMachine()}, PostgreSQL ${store.version}; ` +
      `${whole(sizes.sessions)} sessions, medians of ${sizes.rounds} rounds; ` +
      `${whole(sizes.waiting)} deliveries, medians of ${sizes.catchUps}.`,
  );
} finally {
  await Promise.all(receivers.map((receiver) => receiver.stop()));
  await store.stop();
}
process.exit();
