// npm run bench [-- --quick] [--json FILE] [--beside FILE] [--readme] [--guard] [--soak] [--profile]
//
// What Latchkey costs, measured beside what a user would pick instead. Nothing needs to be set up: PostgreSQL is the
// embedded one, the peers are installed into test/bench/peers. README.md says what the options do.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchCalls } from './calls.js';
import { failures, guardRatios } from './guard.js';
import { benchIsolation, benchLife, soak } from './life.js';
import { describeMachine, hasWrk, leaveServerCore, watchOthers } from './machine.js';
import { seedBetterAuth, seedExpressSession } from './peer-stores.js';
import { benchCommits, benchRefreshStatement } from './pgbench.js';
import { profileProtected, profileTable } from './profile.js';
import { benchProtected } from './protected.js';
import { besideTable, headline, type Results, tables } from './report.js';
import { benchScale } from './scale.js';
import { seedLatchkey, startStore, writeCallers } from './store.js';
import { replaceTables } from './tables.js';
import { benchStreamEnds, benchStreams } from './streams.js';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    guard: { type: 'boolean', default: false },
    soak: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    readme: { type: 'boolean', default: false },
    json: { type: 'string' },
    beside: { type: 'string' },
  },
});
const sizes = options.quick
  ? { sessions: 100_000, rounds: 2, seconds: 1, warmUpSeconds: 2, firstSeen: 20_000, isQuick: true }
  : { sessions: 1_000_000, rounds: 3, seconds: 3, warmUpSeconds: 12, firstSeen: 100_000, isQuick: false };
const streamSizes = { idle: 10_000, churned: 20_000 };
const README = 'test/bench/README.md';
const SOAK_REQUESTS = 1_000_000;

if (!existsSync('test/bench/peers/node_modules')) {
  console.error('Installing the peers …');
  execFileSync('npm', ['ci', '--silent', '--prefix', 'test/bench/peers'], { stdio: 'inherit' });
}
leaveServerCore();
const store = await startStore();
const startedAt = performance.now();
const step = (name: string) => console.error(`${((performance.now() - startedAt) / 1000).toFixed(0)} s: ${name} …`);
try {
  step(`${sizes.sessions.toLocaleString('en')} sessions`);
  const url = await seedLatchkey(store, 'latchkey', sizes.sessions);
  await (options.profile ? profileAlone(url) : measureAll(url));
} finally {
  await store.stop();
}
process.exit();

async function profileAlone(url: string): Promise<void> {
  await writeCallers(url, join(store.folder, 'callers'));
  console.log(profileTable(await profileProtected(store, url)));
}

async function measureAll(url: string): Promise<void> {
  const othersTook = watchOthers();
  const results = await measure(url);
  const beside: Results[] = options.beside ? [JSON.parse(readFileSync(options.beside, 'utf8'))] : [];
  const all = [...tables(results), ...(beside.length > 0 ? [besideTable([results, ...beside])] : [])];
  console.log([headline(results), ...all].join('\n\n'));
  if (options.readme) {
    const page = readFileSync(README, 'utf8').replace(/^20.* Node .*rounds of.*$/m, headline(results));
    writeFileSync(README, replaceTables(page, all));
  }
  if (options.json) {
    writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
  }
  if (options.guard) {
    const found = failures(results, othersTook());
    step('ratios');
    const ratios = await guardRatios(store, url);
    for (const warning of [...found.warnings, ...ratios.warnings]) console.error(`! ${warning}`);
    const complaints = [...found.complaints, ...ratios.complaints];
    for (const complaint of complaints) console.error(`✕ ${complaint}`);
    process.exitCode = complaints.length > 0 ? 1 : 0;
  }
}

async function measure(url: string): Promise<Results> {
  const peers = {
    betterAuth: await seedBetterAuth(store, sizes.sessions),
    expressSession: await seedExpressSession(store, sizes.sessions),
  };
  step('protected requests');
  const contestants = await benchProtected(store, url, peers, sizes);
  const scale = await benchScale(store, url, sizes);
  const profile = options.quick ? null : await profileProtected(store, url);
  step('calls');
  const urls = { latchkey: url, betterAuth: peers.betterAuth.url, expressSession: peers.expressSession.url };
  const rounds = options.quick ? 1 : sizes.rounds;
  const calls = await benchCalls(store, urls, {
    rounds,
    seconds: sizes.seconds,
    warmUpCalls: sizes.isQuick ? 1 : 15_000,
  });
  step('statements without the service');
  const pgbench = await benchRefreshStatement(store, url, sizes.seconds);
  const commits = await benchCommits(store, rounds, sizes.seconds);
  step('logins beside protected requests');
  const isolation = await benchIsolation(store, url, rounds, sizes.seconds);
  step('start and memory');
  const life = await benchLife(store, sizes.seconds);
  step('event streams');
  const streamEnds = await benchStreamEnds(url, options.quick ? 30 : 100);
  const streams = options.quick ? null : await benchStreams(store, url, streamSizes.idle, streamSizes.churned);
  if (options.soak) step(`${SOAK_REQUESTS.toLocaleString('en')} requests`);
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    node: process.versions.node,
    postgres: store.version,
    load: hasWrk ? 'wrk' : 'autocannon',
    sizes,
    contestants: Object.fromEntries(contestants),
    scale,
    calls,
    pgbench,
    commits,
    profile,
    isolation,
    life,
    streams,
    streamEnds,
    soak: options.soak ? await soak(store, url, SOAK_REQUESTS) : null,
  };
}
