// npm run bench [-- --quick] [-- --json FILE] [-- --guard] [-- --soak]
//
// What Latchkey costs, measured beside what a user would pick instead. Nothing needs to be set up: PostgreSQL is the
// embedded one, the peers are installed into test/bench/peers. `--guard` fails where a ratio is far from what it was,
// `--soak` asks a million times and looks at the heap.
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchCalls, benchRefreshStatement } from './calls.js';
import { benchIsolation, benchLife, soak } from './life.js';
import { describeMachine, hasWrk, leaveServerCore } from './machine.js';
import { benchProtected } from './protected.js';
import { failures, report } from './report.js';
import { seedLatchkey, startStore } from './store.js';
import { benchStreamEnds, benchStreams } from './streams.js';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    guard: { type: 'boolean', default: false },
    soak: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const sizes = options.quick
  ? { sessions: 100_000, rounds: 2, seconds: 1 }
  : { sessions: 1_000_000, rounds: 3, seconds: 3 };
const streamSizes = { idle: 10_000, churned: 20_000 };
const SOAK_REQUESTS = 1_000_000;

if (!existsSync('test/bench/peers/node_modules')) {
  console.error('Installing the peers …');
  execFileSync('npm', ['ci', '--silent', '--prefix', 'test/bench/peers'], { stdio: 'inherit' });
}
leaveServerCore();
const store = await startStore();
try {
  const step = (name: string) => console.error(`${name} …`);
  step(`${sizes.sessions.toLocaleString('en')} sessions`);
  const url = await seedLatchkey(store, 'latchkey', sizes.sessions);
  step('protected requests');
  const protectedGet = await benchProtected(store, url, sizes);
  step('calls');
  const calls = await benchCalls(store, url, sizes.seconds);
  const pgbench = await benchRefreshStatement(store, url, sizes.seconds);
  step('logins beside protected requests');
  const isolation = await benchIsolation(store, url, sizes.rounds, sizes.seconds);
  step('start and memory');
  const life = await benchLife(store, sizes.seconds);
  step('event streams');
  const streamEnds = await benchStreamEnds(url);
  const streams = options.quick ? null : await benchStreams(store, url, streamSizes.idle, streamSizes.churned);
  if (options.soak) step(`${SOAK_REQUESTS.toLocaleString('en')} requests`);
  const soaked = options.soak ? await soak(store, url, SOAK_REQUESTS) : null;

  const results = {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    postgres: store.version,
    load: hasWrk ? 'wrk' : 'autocannon',
    sizes,
    contestants: Object.fromEntries(protectedGet.contestants),
    byConnections: Object.fromEntries(protectedGet.byConnections),
    size: { few: protectedGet.few, many: protectedGet.many, bytesPerSession: protectedGet.bytesPerSession },
    onAllCores: { oneProcess: protectedGet.oneProcess, twoWorkers: protectedGet.twoWorkers },
    calls,
    pgbench,
    isolation,
    life,
    streams,
    streamEnds,
    soak: soaked,
  };
  console.log(report(results));
  if (options.json) {
    writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
  }
  const broken = options.guard ? failures(results) : [];
  for (const complaint of broken) console.error(`✕ ${complaint}`);
  process.exitCode = broken.length > 0 ? 1 : 0;
} finally {
  await store.stop();
}
process.exit();
