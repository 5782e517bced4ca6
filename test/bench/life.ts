// Whether logins disturb anybody else, how much memory a server takes, and how long it takes to start.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PASSWORD } from '../support/api.js';
import { Client, median } from './client.js';
import { load } from './load.js';
import { ALL_CORES, residentMegabytes } from './machine.js';
import { serveLatchkey } from './servers.js';
import { pickUsers, type Store } from './store.js';

const QUIET_CONNECTIONS = 8;
const LOGIN_CLIENTS = 50;

export interface Isolation {
  /** Milliseconds, of protected GETs. */
  readonly quietP99: number;
  readonly floodedP99: number;
  readonly loginsPerSecond: number;
  /** After the first flood of logins, and after the last. */
  readonly earlyMegabytes: number;
  readonly lateMegabytes: number;
}

/** Protected GETs alone, and while fifty clients log in without pause. Everything shares all cores. */
export async function benchIsolation(store: Store, url: string, rounds: number, seconds: number): Promise<Isolation> {
  const server = await serveLatchkey(url, 'strict', { cores: ALL_CORES });
  const target = { url: `${server.url}/auth/me`, headers: join(store.folder, 'callers') };
  const users = await pickUsers(url, 2000);
  const client = new Client(server.url, LOGIN_CLIENTS);
  const quiet: number[] = [];
  const flooded: number[] = [];
  const logins: number[] = [];
  await load(target, QUIET_CONNECTIONS, seconds);
  let earlyMegabytes = 0;
  for (let round = 0; round < rounds; round++) {
    quiet.push((await load(target, QUIET_CONNECTIONS, seconds)).p99);
    const flood = client.all(seconds + 1, async (connection) => {
      const { email } = users[(connection + logins.length * LOGIN_CLIENTS) % users.length]!;
      const { status } = await client.call('POST', '/auth/login', {
        body: { email, password: PASSWORD, tokenDelivery: 'body' },
      });
      if (status !== 200) throw new Error(`login: ${status}`);
      return true;
    });
    flooded.push((await load(target, QUIET_CONNECTIONS, seconds)).p99);
    const { calls, seconds: took } = await flood;
    logins.push(calls / took);
    earlyMegabytes ||= residentMegabytes(server.pid);
  }
  const lateMegabytes = residentMegabytes(server.pid);
  client.close();
  await server.stop();
  return {
    quietP99: median(quiet),
    floodedP99: median(flooded),
    loginsPerSecond: median(logins),
    earlyMegabytes,
    lateMegabytes,
  };
}

export interface Life {
  /** Milliseconds until the first answer: with an empty database, and with one that is up to date. */
  readonly coldStart: number;
  readonly warmStart: number;
  readonly idleMegabytes: number;
  readonly loadedMegabytes: number;
}

export async function benchLife(store: Store, seconds: number): Promise<Life> {
  const url = await store.createDatabase('life');
  const timed = async () => {
    const startedAt = performance.now();
    const server = await serveLatchkey(url);
    await fetch(`${server.url}/health/ready`);
    return { server, milliseconds: performance.now() - startedAt };
  };
  const cold = await timed();
  await cold.server.stop();
  const warm = await timed();
  const idleMegabytes = residentMegabytes(warm.server.pid);
  const file = join(store.folder, 'anybody');
  writeFileSync(file, 'Accept: application/json\n');
  await load({ url: `${warm.server.url}/health/live`, headers: file }, 64, seconds);
  const loadedMegabytes = residentMegabytes(warm.server.pid);
  await warm.server.stop();
  return { coldStart: cold.milliseconds, warmStart: warm.milliseconds, idleMegabytes, loadedMegabytes };
}

export interface Soak {
  readonly requests: number;
  /** Of the heap, after forced collections: after the first tenth, and at the end. */
  readonly startMegabytes: number;
  readonly endMegabytes: number;
}

/** So many protected requests at one server, and what is left on its heap. */
export async function soak(store: Store, url: string, requests: number): Promise<Soak> {
  const server = await serveLatchkey(url, 'strict', { nodeOptions: ['--expose-gc'] });
  const target = { url: `${server.url}/auth/me`, headers: join(store.folder, 'callers') };
  const heap = async () => (await server.heapBytes()) / 2 ** 20;
  let sent = 0;
  let startMegabytes = 0;
  while (sent < requests) {
    sent += (await load(target, 64, 10)).requests;
    startMegabytes ||= await heap();
  }
  const endMegabytes = await heap();
  await server.stop();
  return { requests: sent, startMegabytes, endMegabytes };
}
