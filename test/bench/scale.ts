// How the cost of a protected request changes with connections, sessions and processes.
import { join } from 'node:path';
import { ALL_CORES } from './machine.js';
import { compare, type Contestant, type Figures } from './measure.js';
import type { Sizes } from './protected.js';
import { type Server, serveLatchkey, serveWorkers } from './servers.js';
import { query, seedLatchkey, type Store, writeCallers } from './store.js';

const CONNECTIONS = 64;
const FEW_SESSIONS = 1000;

export interface Scale {
  readonly byConnections: Readonly<Record<string, Figures>>;
  /** With a thousand sessions and with all of them. */
  readonly few: Figures;
  readonly many: Figures;
  readonly bytesPerSession: number;
  /** Load, PostgreSQL and servers on all cores, as on a machine of one's own. */
  readonly onAllCores: { readonly oneProcess: Figures; readonly twoWorkers: Figures } | null;
}

/** Needs the file of callers. */
export async function benchScale(
  store: Store,
  url: string,
  { rounds, seconds, warmUpSeconds, isQuick }: Sizes,
): Promise<Scale> {
  const file = (name: string) => join(store.folder, name);
  const latchkey = (name: string, server: Server, headers = 'callers'): Contestant => ({
    name,
    server,
    target: { url: `${server.url}/auth/me`, headers: file(headers) },
  });
  const plan = { connections: CONNECTIONS, rounds, seconds, warmUpSeconds };
  const many = latchkey('many', await serveLatchkey(url));
  const byConnections: Record<string, Figures> = {};
  for (const connections of [1, 8, CONNECTIONS, 256]) {
    const figures = await compare(store, [many], { ...plan, connections, rounds: 1 });
    byConnections[connections] = figures.get(many.name)!;
  }

  const fewUrl = await seedLatchkey(store, 'few', FEW_SESSIONS);
  await writeCallers(fewUrl, file('few'));
  const few = latchkey('few', await serveLatchkey(fewUrl), 'few');
  const sized = await compare(store, [few, many], plan);
  await Promise.all([few.server.stop(), many.server.stop()]);

  const [size] = await query<{ bytes: number }>(
    url,
    `SELECT pg_total_relation_size('sessions')::float8 / count(*) AS bytes FROM sessions`,
  );
  let onAllCores: Scale['onAllCores'] = null;
  if (!isQuick) {
    const alone = latchkey('one', await serveLatchkey(url, 'strict', { cores: ALL_CORES }));
    const shared = latchkey('two', await serveWorkers(url, 2));
    const figures = await compare(store, [alone, shared], plan);
    await Promise.all([alone.server.stop(), shared.server.stop()]);
    onAllCores = { oneProcess: figures.get('one')!, twoWorkers: figures.get('two')! };
  }
  return { byConnections, few: sized.get('few')!, many: sized.get('many')!, bytesPerSession: size!.bytes, onAllCores };
}
