// npm run bench:standbys [-- --quick]
//
// What session checks cost the primary with two standbys and without, and how many there are in a second. The service has a
// core to itself; the three servers of PostgreSQL and the load share the other.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PostgresCluster } from '../support/postgres-cluster.js';
import { median } from './client.js';
import { load } from './load.js';
import { cpuMicroseconds, describeMachine, leaveServerCore } from './machine.js';
import { type Figures, measureOnce, medianOf } from './measure.js';
import { type Latchkey, serveLatchkey } from './servers.js';
import { query, seedLatchkey, type Store, writeCallers } from './store.js';
import { micro, table, whole } from './tables.js';

const CONNECTIONS = [64, 256];
const { values: options } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const sizes = options.quick
  ? { sessions: 10_000, rounds: 3, seconds: 2, warmUpSeconds: 2 }
  : { sessions: 100_000, rounds: 7, seconds: 3, warmUpSeconds: 12 };

interface Contestant {
  readonly name: string;
  readonly server: Latchkey;
}

/** `storeCpu` is that of the primary. */
interface Row extends Figures {
  readonly standbyCpu: number;
  /** How many of a hundred checks a standby has answered. */
  readonly percent: number;
}

const processorOf = ({ pid }: PostgresCluster): number => cpuMicroseconds(pid, { withChildren: true }) ?? 0;

async function storeOf(primary: PostgresCluster): Promise<Store> {
  const [row] = await primary.query<{ server_version: string }>('SHOW server_version');
  return {
    version: row!.server_version,
    folder: primary.folder,
    cpuMicroseconds: () => processorOf(primary),
    async createDatabase(name) {
      await query(primary.url, `CREATE DATABASE ${name}`);
      return Object.assign(new URL(primary.url), { pathname: `/${name}` }).href;
    },
    stop: () => primary.remove(),
  };
}

async function measure(store: Store, { server }: Contestant, connections: number): Promise<Row> {
  const answeredBefore = await server.checksAnswered();
  const spent = () => standbys.reduce((sum, standby) => sum + processorOf(standby), 0);
  const before = spent();
  let requests = 0;
  const figures = await measureOnce(store, server, async () => {
    const result = await load({ url: `${server.url}/auth/me`, headers }, connections, sizes.seconds);
    ({ requests } = result);
    return result;
  });
  const standbyCpu = (spent() - before) / requests;
  const answered = await server.checksAnswered();
  const [byPrimary, byStandby] = [answered.primary - answeredBefore.primary, answered.standby - answeredBefore.standby];
  return { ...figures, standbyCpu, percent: (100 * byStandby) / (byPrimary + byStandby) };
}

function report(rows: ReadonlyMap<string, Row[]>): string {
  return table(
    [
      'protected requests',
      'per second',
      'server',
      'primary',
      'both standbys',
      'checks by standbys',
      'of the primary without',
      'a core of it carries',
    ],
    [...rows].map(([name, found]) => {
      const { perSecond, serverCpu, storeCpu } = medianOf(found);
      const standbyCpu = median(found.map((row) => row.standbyCpu));
      const percent = median(found.map((row) => row.percent));
      const without = medianOf(rows.get(name.replace('two standbys', 'the primary alone'))!).storeCpu ?? 1;
      return [
        name,
        whole(perSecond),
        micro(serverCpu),
        micro(storeCpu),
        micro(standbyCpu),
        `${percent.toFixed(1)} %`,
        `1/${(without / (storeCpu ?? 1)).toFixed(1)}`,
        whole(1e6 / (storeCpu ?? 1)),
      ];
    }),
  );
}

leaveServerCore();
const primary = await PostgresCluster.create();
const standbys: PostgresCluster[] = [];
const store = await storeOf(primary);
const headers = join(store.folder, 'callers');
try {
  const url = await seedLatchkey(store, 'latchkey', sizes.sessions);
  await writeCallers(url, headers);
  standbys.push(await primary.standby(), await primary.standby());
  const readUrls = standbys.map((standby) => Object.assign(new URL(standby.url), { pathname: '/latchkey' }).href);
  const contestants = [
    { name: 'the primary alone', server: await serveLatchkey(url) },
    {
      name: 'two standbys',
      server: await serveLatchkey(url, 'strict', { env: { DATABASE_READ_URLS: readUrls.join() } }),
    },
  ];
  const found = new Map<string, Row[]>();
  for (const connections of CONNECTIONS) {
    for (const { server } of contestants) {
      await load({ url: `${server.url}/auth/me`, headers }, connections, sizes.warmUpSeconds);
    }
    for (let round = 0; round < sizes.rounds; round++) {
      for (const contestant of contestants) {
        const name = `${connections} connections, ${contestant.name}`;
        found.set(name, [...(found.get(name) ?? []), await measure(store, contestant, connections)]);
      }
    }
  }
  console.log(report(found));
  console.log(
    `\n${new Date().toISOString().slice(0, 10)}, ${describeMachine()}, PostgreSQL ${store.version}; ` +
      `${whole(sizes.sessions)} sessions, medians of ${sizes.rounds} rounds of ${sizes.seconds} s.`,
  );
} finally {
  await Promise.all(standbys.map((standby) => standby.remove()));
  await primary.remove();
}
process.exit();
