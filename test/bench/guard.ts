// What must not get worse: ratios of processor time, and numbers of statements. Never times, and with margins that a busy
// machine stays within.
import { join } from 'node:path';
import { median } from './client.js';
import { load } from './load.js';
import { watchOthers } from './machine.js';
import { measureOnce } from './measure.js';
import { BETTER_AUTH, BETTER_AUTH_CACHE, EXPRESS_SESSION, RAW, STRICT } from './protected.js';
import type { Results } from './report.js';
import { type Server, serveLatchkey } from './servers.js';
import type { Store } from './store.js';

const CONNECTIONS = 64;
const SECONDS = 1;
const WARM_UP_SECONDS = 6;
// A ratio is the median of rounds in turns. One that is too low gets more of them before it counts, of processes started anew as
// well: how V8 has optimised one of them is luck, and stays with it. And it counts only where most rounds agree: a busy
// neighbour on the same machine moves a round by a tenth.
const ROUNDS = 4;
const ROUNDS_OF_A_START = 16;
const ROUNDS_MOST = 48;
const AGREEING = 2 / 3;
const BOUNDS = {
  log: { what: 'a request without the log, as a multiple of one with it,', least: 0.92 },
  check: { what: 'a request without the check, as a multiple of one with it,', least: 0.95 },
};
// Of the machine. While others take more, caches are cold and questions are shared by fewer: ratios say nothing of the code.
const OTHERS_MOST = 0.1;

/** What is wrong, or what could not be found out. */
export interface Verdict {
  readonly complaints: string[];
  readonly warnings: string[];
}

/** Compares what costs least to disturb, so with the tightest margins. Needs the file of callers. */
export async function guardRatios(store: Store, url: string): Promise<Verdict> {
  const ratios: Record<keyof typeof BOUNDS, number[]> = { log: [], check: [] };
  const all = Object.entries(BOUNDS).map(([name, bound]) => ({
    ...bound,
    rounds: ratios[name as keyof typeof BOUNDS],
  }));
  let contest = await Contest.start(store, url);
  for (let round = 0; round < ROUNDS_MOST; round++) {
    if (round > 0 && round % ROUNDS_OF_A_START === 0) {
      await contest.stop();
      contest = await Contest.start(store, url);
    }
    const othersTook = watchOthers();
    const { strict, logOff, stub } = await contest.round();
    if ((othersTook() ?? 0) > OTHERS_MOST) continue;
    ratios.log.push(logOff / strict);
    ratios.check.push(stub / strict);
    if (ratios.log.length >= ROUNDS && all.every(({ rounds, least }) => !(median(rounds) < least))) break;
  }
  await contest.stop();
  const tooLow = all.filter(
    ({ rounds, least }) => rounds.filter((ratio) => ratio < least).length > AGREEING * rounds.length,
  );
  const isUnknown = ratios.log.length < ROUNDS;
  return {
    complaints: isUnknown ? [] : tooLow.flatMap(({ what, rounds, least }) => atLeast(what, median(rounds), least)),
    warnings: isUnknown
      ? ['The machine was too busy to compare requests with and without the log, and the check.']
      : [],
  };
}

/** The service as it is, without its log, and without its check. */
class Contest {
  private isForth = true;

  private constructor(
    private readonly store: Store,
    private readonly servers: Record<'strict' | 'logOff' | 'stub', Server>,
  ) {}

  static async start(store: Store, url: string): Promise<Contest> {
    const contest = new Contest(store, {
      strict: await serveLatchkey(url),
      logOff: await serveLatchkey(url, 'strict', { logsRequests: false }),
      stub: await serveLatchkey(url, 'stub'),
    });
    // Until all that a request runs through is optimised: before, what costs little is lost in what compiling costs.
    for (const server of Object.values(contest.servers)) await contest.load(server, WARM_UP_SECONDS);
    return contest;
  }

  /** What a request costs each of them. To and fro, or a machine that gets faster meanwhile would favour the same one always. */
  async round(): Promise<Record<'strict' | 'logOff' | 'stub', number>> {
    const costs = { strict: NaN, logOff: NaN, stub: NaN };
    const turns = Object.entries(this.servers) as [keyof typeof costs, Server][];
    for (const [name, server] of this.isForth ? turns : turns.toReversed()) {
      costs[name] = (await measureOnce(this.store, server, () => this.load(server, SECONDS))).serverCpu ?? NaN;
    }
    this.isForth = !this.isForth;
    return costs;
  }

  stop = () => Promise.all(Object.values(this.servers).map((server) => server.stop()));

  private load({ url }: Server, seconds: number) {
    return load({ url: `${url}/auth/me`, headers: join(this.store.folder, 'callers') }, CONNECTIONS, seconds);
  }
}

/** What the figures of a whole run say, and which share of the machine others took meanwhile. */
export function failures(results: Results, others: number | null): Verdict {
  const isBusy = (others ?? 0) > OTHERS_MOST;
  const ratios = ratiosOf(results);
  const statements = (name: string) => results.calls.find((call) => call.name.startsWith(name))!.statements;
  const isOne = (name: string) => (statements(name) === 1 ? [] : [`${name} asks ${statements(name)} statements`]);
  return {
    complaints: [...(isBusy ? [] : ratios), ...['refresh', 'logout', 'logout-all, 10,000'].flatMap(isOne)],
    warnings: isBusy ? ratios.map((complaint) => `The machine was busy: ${complaint}`) : [],
  };
}

function ratiosOf({ contestants, scale: { few, many: all, byConnections } }: Results): string[] {
  const strict = contestants[STRICT]!;
  const many = byConnections[64];
  const cost = (name: string) => contestants[name]!.serverCpu ?? 0;
  const against = (name: string, least: number) =>
    strict.serverCpu ? atLeast(`"${name}" as a multiple of Latchkey`, cost(name) / strict.serverCpu, least) : [];
  return [
    ...against(RAW, 0.15),
    ...against(BETTER_AUTH, 3),
    ...against(BETTER_AUTH_CACHE, 2),
    ...against(EXPRESS_SESSION, 1.3),
    ...(few.serverCpu && all.serverCpu
      ? atLeast('with 1,000 sessions, as a multiple of all,', few.serverCpu / all.serverCpu, 0.6)
      : []),
    // Both of one table, measured one right after the other: in a short run the contestants are still cold, and PostgreSQL
    // is busy with what was seeded.
    ...(many?.storeCpu && many.serverCpu
      ? atLeast('the server as a multiple of PostgreSQL', many.serverCpu / many.storeCpu, 3)
      : []),
    ...(byConnections[1]?.storeCpu && many?.storeCpu
      ? atLeast('PostgreSQL at 1 connection as a multiple of 64', byConnections[1].storeCpu / many.storeCpu, 3)
      : []),
  ];
}

const atLeast = (what: string, ratio: number, least: number): string[] =>
  // Where nobody counts processor time, there is no number.
  ratio < least ? [`processor time of ${what} is ${ratio.toFixed(2)}, and should be at least ${least}`] : [];
