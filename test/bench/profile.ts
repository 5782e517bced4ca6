// Where the processor time of a protected request goes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from './load.js';
import { serveLatchkey } from './servers.js';
import type { Store } from './store.js';
import { table } from './tables.js';

const CONNECTIONS = 64;
const SECONDS = 5;
const WARM_UP_SECONDS = 12;

/** Shares of all time that the processor had work, the largest first. */
export type Profile = readonly (readonly [part: string, share: number])[];

/** Needs the file of callers. */
export async function profileProtected(store: Store, url: string): Promise<Profile> {
  const server = await serveLatchkey(url);
  const target = { url: `${server.url}/auth/me`, headers: join(store.folder, 'callers') };
  await load(target, CONNECTIONS, WARM_UP_SECONDS);
  const file = join(store.folder, 'profile.json');
  await server.profile(file, () => load(target, CONNECTIONS, SECONDS));
  await server.stop();
  return sharesOf(JSON.parse(readFileSync(file, 'utf8')));
}

export const profileTable = (profile: Profile): string =>
  table(
    ["where a protected request's time goes", 'share'],
    profile.map(([part, share]) => [part, `${(share * 100).toFixed(0)} %`]),
  );

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

function sharesOf({ nodes, samples, timeDeltas }: CpuProfile): Profile {
  const partOfNode = new Map<number, string>();
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  // Parents come before their children. What is built into V8 or Node counts as part of what calls it.
  for (const { id, callFrame } of nodes) {
    const own = partOf(callFrame.functionName, callFrame.url);
    partOfNode.set(id, own ?? partOfNode.get(parents.get(id) ?? 0) ?? ENGINE);
  }
  const times = new Map<string, number>();
  let total = 0;
  for (const [i, node] of samples.entries()) {
    const part = partOfNode.get(node)!;
    if (part === IDLE) continue;
    times.set(part, (times.get(part) ?? 0) + timeDeltas[i]!);
    total += timeDeltas[i]!;
  }
  return [...times].map(([part, time]) => [part, time / total] as const).toSorted(([, a], [, b]) => b - a);
}

const IDLE = '(idle)';
const ENGINE = 'the engine: collection, compiling, what it does not name';
const OURS = 'Latchkey, JWT and other packages';

// The first that matches.
const PARTS: readonly [part: string, pattern: RegExp][] = [
  ['PostgreSQL: driver and TypeORM', /node_modules\/(pg|pg-\w+|postgres-\w+|typeorm)\//],
  ['Fastify and Nest', /node_modules\/(@?fastify|find-my-way|avvio|fast-\S+|@nestjs|rxjs|class-\w+)[/-]/],
  ['the log: pino', /node_modules\/(pino|sonic-boom|fast-redact|@pinojs)[/-]|node:fs/],
  ['sockets: read and written', /^node:(net|internal\/streams?|internal\/stream_base_commons)/],
  ['Node.js: HTTP, promises, timers', /^node:/],
  [OURS, /^file:/],
];

function partOf(functionName: string, url: string): string | null {
  if (functionName === IDLE) return IDLE;
  const [part] = PARTS.find(([, pattern]) => pattern.test(url)) ?? [];
  return part ?? (['(root)', '(program)', '(garbage collector)'].includes(functionName) ? ENGINE : null);
}
