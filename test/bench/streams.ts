// What event streams cost that are open and idle, whether anything is left of those that were closed, and how long they stay
// open after their session has ended.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMicroseconds, residentMegabytes } from './machine.js';
import { Api } from '../support/api.js';
import type { TestDatabase } from '../support/database.js';
import { cutListeners, type End, logout, revokeSilently, type Watched, watched } from '../support/watched.js';
import { median } from './client.js';
import { type Latchkey, serveLatchkey } from './servers.js';
import { query, type Store } from './store.js';

const AT_ONCE = 100;
// Two pings and a check of all.
const IDLE_SECONDS = 31;

export interface Streams {
  readonly count: number;
  readonly kilobytesEach: number;
  /** Of one core, while nothing happens: pings, and the checks twice a minute. */
  readonly serverPercent: number | null;
  readonly storePercent: number | null;
  readonly churned: number;
  /** Of the heap, after forced collections: after the first tenth of those opened and closed, and after all. */
  readonly startMegabytes: number;
  readonly endMegabytes: number;
}

/** Opens so many streams and waits, then opens and closes so many. */
export async function benchStreams(store: Store, url: string, count: number, churned: number): Promise<Streams> {
  const server = await serveLatchkey(url, 'strict', { nodeOptions: ['--expose-gc'] });
  const callers = readFileSync(join(store.folder, 'callers'), 'utf8').trim().split('\n');
  const before = residentMegabytes(server.pid);
  const sockets = await openStreams(server, callers, 0, count);
  const after = residentMegabytes(server.pid);
  const [serverBefore, storeBefore] = [cpuMicroseconds(server.pid), store.cpuMicroseconds()];
  await sleep(IDLE_SECONDS * 1000);
  const percent = (now: number | null, then: number | null) =>
    now === null || then === null ? null : (now - then) / IDLE_SECONDS / 10_000;
  const serverPercent = percent(cpuMicroseconds(server.pid), serverBefore);
  const storePercent = percent(store.cpuMicroseconds(), storeBefore);
  for (const socket of sockets) socket.destroy();

  let startMegabytes = 0;
  for (let done = 0; done < churned; done += AT_ONCE) {
    const some = await openStreams(server, callers, done, AT_ONCE);
    for (const socket of some) socket.destroy();
    if (done >= churned / 10) startMegabytes ||= await heapOf(server);
  }
  const endMegabytes = await heapOf(server);
  await server.stop();
  const kilobytesEach = ((after - before) * 1024) / count;
  return { count, kilobytesEach, serverPercent, storePercent, churned, startMegabytes, endMegabytes };
}

/** Milliseconds from the answer that a session has ended to the end of its streams at two instances. */
export interface StreamEnds {
  readonly what: string;
  readonly median: number;
  readonly slowest: number;
}

const ENDS_AT_ONCE = 10;

export async function benchStreamEnds(url: string, count: number): Promise<StreamEnds[]> {
  const servers = [await serveLatchkey(url), await serveLatchkey(url)] as const;
  const [a, b] = servers.map((server) => new Api(server.url)) as [Api, Api];
  const database: Pick<TestDatabase, 'query'> = { query: (sql, values = []) => query(url, [sql, values]) };
  const t = { database, a, b };
  const endings: Record<string, End> = {
    'after a logout': logout,
    'after a logout, the listening connections just cut': async (one, api) => {
      await cutListeners(t);
      await logout(one, api);
    },
    'where no notification was sent': ({ account }) => revokeSilently(t, account.session.id),
  };
  const figures: StreamEnds[] = [];
  for (const [what, end] of Object.entries(endings)) {
    const times: number[] = [];
    while (times.length < count) {
      const some = await Promise.all(
        Array.from({ length: ENDS_AT_ONCE }, async (_, i) => lasted(await watched(t), end, i % 2 ? a : b)),
      );
      times.push(...some.flat());
    }
    figures.push({ what, median: median(times), slowest: Math.max(...times) });
  }
  await Promise.all(servers.map((server) => server.stop()));
  return figures;
}

async function lasted(one: Watched, end: End, api: Api): Promise<number[]> {
  await end(one, api);
  const answeredAt = performance.now();
  await Promise.all(one.streams.map((stream) => stream.ended()));
  return one.streams.map(({ endedAt }) => Math.max(0, (endedAt ?? Infinity) - answeredAt));
}

const heapOf = async (server: Latchkey) => (await server.heapBytes()) / 2 ** 20;

export async function openStreams(
  { url }: Pick<Latchkey, 'url'>,
  callers: readonly string[],
  from: number,
  count: number,
) {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, (_, i) =>
      openStream(url, callers[(from + sockets.length + i) % callers.length]!),
    );
    sockets.push(...(await Promise.all(some)));
  }
  return sockets;
}

async function openStream(url: string, header: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => undefined);
  socket.write(`GET /sessions/events HTTP/1.1\r\nHost: ${hostname}\r\n${header}\r\n\r\n`);
  let text = '';
  while (!text.includes(': ping')) {
    const [chunk] = await once(socket, 'data');
    text += String(chunk);
    if (!text.startsWith('HTTP/1.1 200')) throw new Error(`the stream answered ${text}`);
  }
  socket.resume();
  return socket;
}
