// What each call costs that begins, extends or ends sessions, beside what a user would pick instead.
import { startDatabaseProxy } from '../support/database-proxy.js';
import { type CallTimes, Client } from './client.js';
import { latchkeyCalls } from './latchkey-calls.js';
import { type Figures, measureOnce, medianOf } from './measure.js';
import { betterAuthCalls, betterAuthExtending, expressCalls } from './peer-calls.js';
import { type Server, serveBetterAuthRoutes, serveExpressSession, serveLatchkey } from './servers.js';
import type { Store } from './store.js';

const WARM_UP_ROUNDS = 8;
const MANY = 2000;

export interface CallFigures extends Figures {
  readonly name: string;
  readonly connections: number;
  readonly statements: number;
}

export type Call = (connection: number) => Promise<{ status: number } | null>;

const KINDS = ['login', 'refresh', 'list', 'logout'] as const;

export interface Scenario {
  /** What it is compared with. */
  readonly kind: (typeof KINDS)[number];
  readonly name: string;
  readonly connections: number;
  /** Makes the calls ready, for so many of them; null from a call says that they are used up. */
  readonly prepare: (client: Client, count: number) => Promise<Call>;
  /** How many calls at most; as many as fit into the time where unset. */
  readonly count?: number;
}

interface Contestant {
  readonly scenario: Scenario;
  readonly server: Server;
  readonly statements: number;
}

export interface CallsPlan {
  readonly rounds: number;
  readonly seconds: number;
  /** As many as it takes until code is compiled: what a call costs still falls after ten thousand. */
  readonly warmUpCalls: number;
}

/** Measures each call, in turns, and counts its statements on a server behind a counting proxy. */
export async function benchCalls(
  store: Store,
  urls: Record<'latchkey' | 'betterAuth' | 'expressSession', string>,
  { rounds, seconds, warmUpCalls }: CallsPlan,
): Promise<CallFigures[]> {
  const groups: [string, (url: string) => Promise<Server>, (url: string) => Scenario[]][] = [
    [urls.latchkey, (url) => serveLatchkey(url), latchkeyCalls],
    [urls.betterAuth, (url) => serveBetterAuthRoutes(url), betterAuthCalls],
    [urls.betterAuth, (url) => serveBetterAuthRoutes(url, { extendsAlways: true }), betterAuthExtending],
    [urls.expressSession, (url) => serveExpressSession(url, 'on'), expressCalls],
  ];
  const contestants: Contestant[] = [];
  for (const [url, serve, scenariosOf] of groups) {
    const scenarios = scenariosOf(url);
    const counts = await countStatements(url, serve, scenarios);
    const server = await serve(url);
    contestants.push(...scenarios.map((scenario, i) => ({ scenario, server, statements: counts[i]! })));
  }
  const found = new Map<Contestant, Figures[]>(contestants.map((contestant) => [contestant, []]));
  for (const { scenario, server } of contestants) {
    // A slow one has a few rounds and no more.
    for (let round = 0, calls = 0; round < WARM_UP_ROUNDS && calls < warmUpCalls; round++) {
      calls += (await measureScenario(store, server, scenario, seconds)).calls;
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [{ scenario, server }, figures] of found) {
      figures.push(await measureScenario(store, server, scenario, seconds));
    }
  }
  await Promise.all([...new Set(contestants.map(({ server }) => server))].map((server) => server.stop()));
  const sorted = [...found].toSorted(([a], [b]) => KINDS.indexOf(a.scenario.kind) - KINDS.indexOf(b.scenario.kind));
  return sorted.map(
    ([
      {
        scenario: { name, connections },
        statements,
      },
      figures,
    ]) => ({
      name,
      connections,
      statements,
      ...medianOf(figures),
    }),
  );
}

async function measureScenario(
  store: Store,
  server: Server,
  scenario: Scenario,
  seconds: number,
): Promise<Figures & { readonly calls: number }> {
  const client = new Client(server.url, scenario.connections);
  const call = await scenario.prepare(client, scenario.count ?? MANY);
  let calls = 0;
  const figures = await measureOnce(store, server, async () => {
    const times: CallTimes = await client.all(seconds, async (connection) => {
      const answer = await call(connection);
      if (answer && answer.status >= 300) throw new Error(`${scenario.name}: ${answer.status}`);
      return answer !== null;
    });
    ({ calls } = times);
    return { requests: calls, ...times };
  });
  client.close();
  return { ...figures, calls };
}

async function countStatements(
  url: string,
  serve: (url: string) => Promise<Server>,
  scenarios: readonly Scenario[],
): Promise<number[]> {
  const proxy = await startDatabaseProxy(url);
  const server = await serve(proxy.url);
  const counts: number[] = [];
  for (const scenario of scenarios) counts.push(await statementsOf(server, scenario, () => proxy.statements()));
  await server.stop();
  proxy.stop();
  return counts;
}

// The fewest of a few: now and then last-seen times are written meanwhile.
async function statementsOf(server: Server, { prepare }: Scenario, total: () => number): Promise<number> {
  const client = new Client(server.url, 1);
  const call = await prepare(client, 3);
  const counts: number[] = [];
  while (counts.length < 3) {
    const before = total();
    await call(0);
    counts.push(total() - before);
  }
  client.close();
  return Math.min(...counts);
}
