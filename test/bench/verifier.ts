// npm run bench:verifier [-- --quick]
//
// What it costs another service to protect a route: the service, and whom it asks. The service has a core to itself; who is
// asked, PostgreSQL and the load share the other.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runClientAdd } from '../support/clients.js';
import { median } from './client.js';
import { load } from './load.js';
import { cpuMicroseconds, describeMachine, leaveServerCore, LOAD_CORES } from './machine.js';
import { type Figures, measureOnce } from './measure.js';
import { type Server, serveBetterAuthClient, serveBetterAuthRoutes, serveLatchkey, serveProtected } from './servers.js';
import { seedBetterAuth } from './peer-stores.js';
import { seedLatchkey, startStore, type Store, writeCallers, writeHeaders } from './store.js';
import { micro, table } from './tables.js';

const CONNECTIONS = 64;
// Each of the 5,000 callers twice; those that ask for each request remember none.
const WARM_UP_REQUESTS = { remembers: 10_000, asks: 1000 };
const { values: options } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const LOCAL = 'local verification (`jose`)';
const sizes = options.quick
  ? { sessions: 10_000, rounds: 3, seconds: 2 }
  : { sessions: 100_000, rounds: 7, seconds: 3 };

interface Contestant {
  readonly name: string;
  readonly service: Server;
  /** Whom the service asks. */
  readonly asked: Server;
  readonly headers: string;
  readonly kind: keyof typeof WARM_UP_REQUESTS;
}

/** Of one contestant; `askedCpu` in microseconds for each request. */
type Row = Pick<Figures, 'perSecond' | 'serverCpu' | 'storeCpu' | 'p50' | 'p99'> & { readonly askedCpu: number };

async function measure(store: Store, { service, asked, headers }: Contestant): Promise<Row> {
  const before = cpuMicroseconds(asked.pid) ?? 0;
  let requests = 0;
  const figures = await measureOnce(store, service, async () => {
    const result = await load({ url: `${service.url}/mine`, headers }, CONNECTIONS, sizes.seconds);
    ({ requests } = result);
    return result;
  });
  return { ...figures, askedCpu: ((cpuMicroseconds(asked.pid) ?? 0) - before) / requests };
}

async function warmUp({ service, headers, kind }: Contestant): Promise<void> {
  for (let requests = 0; requests < WARM_UP_REQUESTS[kind];) {
    requests += (await load({ url: `${service.url}/mine`, headers }, CONNECTIONS, sizes.seconds)).requests;
  }
}

async function contestantsOn(store: Store): Promise<Contestant[]> {
  const url = await seedLatchkey(store, 'latchkey', sizes.sessions);
  const { stdout } = await runClientAdd(url, 'bench', '--scope', 'introspect,verify');
  const [, id = '', secret = ''] = /client_id: (\S+)\s+client_secret: (\S+)/.exec(stdout) ?? [];
  const latchkey = await serveLatchkey(url, 'strict', { cores: LOAD_CORES });
  const callers = join(store.folder, 'callers');
  await writeCallers(url, callers);
  const env = { ASKED_URL: latchkey.url, CLIENT_ID: id, CLIENT_SECRET: secret };

  const seeded = await seedBetterAuth(store, sizes.sessions);
  const betterAuth = await serveBetterAuthRoutes(seeded.url, { cores: LOAD_CORES });
  const cookies = join(store.folder, 'better-auth');
  writeHeaders(cookies, seeded.headers);

  const withTokens = async (name: string, variant: string, kind: Contestant['kind'] = 'remembers') => ({
    kind,
    name,
    service: await serveProtected(variant, env),
    asked: latchkey,
    headers: callers,
  });
  return [
    await withTokens('not protected', 'open'),
    await withTokens(LOCAL, 'jose'),
    await withTokens('`latchkey/verifier`, `signature`', 'signature'),
    await withTokens('`latchkey/verifier`, `strict`', 'strict'),
    await withTokens('introspection for each request', 'introspect', 'asks'),
    {
      name: "better-auth's client asks its server",
      service: await serveBetterAuthClient(betterAuth),
      asked: betterAuth,
      headers: cookies,
      kind: 'asks',
    },
  ];
}

function report(rows: ReadonlyMap<string, Row>): string {
  const local = rows.get(LOCAL)?.serverCpu ?? 1;
  return table(
    ['protected route', 'service', 'of local', 'who is asked', 'PostgreSQL'],
    [...rows].map(([name, { serverCpu, storeCpu, askedCpu }]) => [
      name,
      micro(serverCpu),
      `${((serverCpu ?? 0) / local).toFixed(2)} ×`,
      // What goes on anyway is no cost of a route that asks nobody.
      ...(askedCpu < 5 ? ['', ''] : [micro(askedCpu), micro(storeCpu)]),
    ]),
  );
}

if (!existsSync('test/bench/peers/node_modules')) {
  console.error('Installing the peers …');
  execFileSync('npm', ['ci', '--silent', '--prefix', 'test/bench/peers'], { stdio: 'inherit' });
}
leaveServerCore();
const store = await startStore();
try {
  const contestants = await contestantsOn(store);
  const found = new Map<string, Row[]>(contestants.map(({ name }) => [name, []]));
  // Until their code is compiled, and each token was seen: what a first time costs is another question.
  for (const contestant of contestants) await warmUp(contestant);
  for (let round = 0; round < sizes.rounds; round++) {
    for (const contestant of contestants) {
      found.get(contestant.name)!.push(await measure(store, contestant));
    }
  }
  const of = (rows: readonly Row[], pick: (row: Row) => number | null) => median(rows.map((row) => pick(row) ?? 0));
  const medians = [...found].map(([name, rows]): [string, Row] => [
    name,
    {
      perSecond: of(rows, (row) => row.perSecond),
      serverCpu: of(rows, (row) => row.serverCpu),
      storeCpu: of(rows, (row) => row.storeCpu),
      askedCpu: of(rows, (row) => row.askedCpu),
      p50: of(rows, (row) => row.p50),
      p99: of(rows, (row) => row.p99),
    },
  ]);
  console.log(report(new Map(medians)));
  console.log(
    `\n${new Date().toISOString().slice(0, 10)}, ${describeMachine()}, PostgreSQL ${store.version}; ` +
      `${sizes.sessions.toLocaleString('en')} sessions, medians of ${sizes.rounds} rounds of ${sizes.seconds} s.`,
  );
  await Promise.all(
    [...new Set(contestants.flatMap(({ service, asked }) => [service, asked]))].map((one) => one.stop()),
  );
} finally {
  await store.stop();
}
process.exit();
