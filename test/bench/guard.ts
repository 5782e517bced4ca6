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
// A ratio is the median of rounds in turns. One that is too low gets more of them before it counts.
const ROUNDS = 3;
const ROUNDS_MOST = 15;
// Of the machine. While others take more, caches are cold and questions are shared by fewer: ratios say nothing of the code.
const OTHERS_MOST = 0.1;

/** What is wrong, or what could not be found out. */
export interface Verdict {
  readonly complaints: string[];
  readonly warnings: string[];
}

/** Compares what costs least to disturb, so with the tightest margins. Needs the file of callers. */
export async function guardRatios(store: Store, url: string): Promise<Verdict> {
  const servers = {
    strict: await serveLatchkey(url),
    logOff: await serveLatchkey(url, 'strict', { logsRequests: false }),
    stub: await serveLatchkey(url, 'stub'),
  };
  const targetOf = (server: Server) => ({ url: `${server.url}/auth/me`, headers: join(store.folder, 'callers') });
  const cost = async (server: Server) =>
    (await measureOnce(store, server, () => load(targetOf(server), CONNECTIONS, SECONDS))).serverCpu ?? NaN;
  // Until all that a request runs through is optimised: before, what costs little is lost in what compiling costs.
  for (const server of Object.values(servers)) await load(targetOf(server), CONNECTIONS, WARM_UP_SECONDS);

  const ratios: Record<'log' | 'check', number[]> = { log: [], check: [] };
  let complaints: string[] = [];
  for (let round = 1; round <= ROUNDS_MOST; round++) {
    const othersTook = watchOthers();
    const [strict, logOff, stub] = [await cost(servers.strict), await cost(servers.logOff), await cost(servers.stub)];
    if ((othersTook() ?? 0) > OTHERS_MOST) continue;
    ratios.log.push(logOff / strict);
    ratios.check.push(stub / strict);
    if (ratios.log.length < ROUNDS) continue;
    complaints = [
      ...atLeast('a request without the log, as a multiple of one with it,', median(ratios.log), 0.92),
      ...atLeast('a request without the check, as a multiple of one with it,', median(ratios.check), 0.95),
    ];
    if (complaints.length === 0) break;
  }
  await Promise.all(Object.values(servers).map((server) => server.stop()));
  const isUnknown = ratios.log.length < ROUNDS;
  return {
    complaints,
    warnings: isUnknown
      ? ['The machine was too busy to compare requests with and without the log, and the check.']
      : [],
  };
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
