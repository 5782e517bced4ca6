import { median } from './client.js';
import { load, type Target } from './load.js';
import { cpuMicroseconds } from './machine.js';
import type { Server } from './servers.js';
import type { Store } from './store.js';

/** What a request costs: medians of several rounds. */
export interface Figures {
  readonly perSecond: number;
  /** Microseconds of processor time per request; null where nobody counts. */
  readonly serverCpu: number | null;
  readonly storeCpu: number | null;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export interface Contestant {
  readonly name: string;
  readonly server: Server;
  readonly target: Target;
}

interface Plan {
  readonly connections: number;
  readonly rounds: number;
  readonly seconds: number;
  /** Of load before each contestant's first round: until its code is optimised, it costs twice what it will. */
  readonly warmUpSeconds: number;
}

/** Loads contestants by turns, so that what slows the machine down slows all of them. */
export async function compare(
  store: Store,
  contestants: readonly Contestant[],
  { connections, rounds, seconds, warmUpSeconds }: Plan,
): Promise<Map<string, Figures>> {
  const found = new Map<string, Figures[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, server, target } of contestants) {
      if (round === 0) {
        await load(target, connections, warmUpSeconds);
      }
      found.get(name)!.push(await measureOnce(store, server, () => load(target, connections, seconds)));
    }
  }
  return new Map([...found].map(([name, figures]) => [name, medianOf(figures)]));
}

/** Runs a load, and counts what it costs the server and PostgreSQL. */
export async function measureOnce(
  store: Store,
  { pid }: { pid: number },
  run: () => Promise<{ requests: number; seconds: number; p50: number; p99: number }>,
): Promise<Figures> {
  const serverBefore = cpuMicroseconds(pid, { withChildren: true });
  const storeBefore = store.cpuMicroseconds();
  const { requests, seconds, p50, p99 } = await run();
  const each = (now: number | null, before: number | null) =>
    now === null || before === null ? null : (now - before) / requests;
  return {
    perSecond: requests / seconds,
    serverCpu: each(cpuMicroseconds(pid, { withChildren: true }), serverBefore),
    storeCpu: each(store.cpuMicroseconds(), storeBefore),
    p50,
    p99,
  };
}

export function medianOf(figures: readonly Figures[]): Figures {
  const of = (pick: (one: Figures) => number | null) =>
    figures.some((one) => pick(one) === null) ? null : median(figures.map((one) => pick(one)!));
  return {
    perSecond: of(({ perSecond }) => perSecond)!,
    serverCpu: of(({ serverCpu }) => serverCpu),
    storeCpu: of(({ storeCpu }) => storeCpu),
    p50: of(({ p50 }) => p50)!,
    p99: of(({ p99 }) => p99)!,
  };
}
