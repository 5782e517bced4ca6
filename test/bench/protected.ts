// What a protected GET costs, beside what a user would pick instead.
import { join } from 'node:path';
import pLimit from 'p-limit';
import { ALL_CORES } from './machine.js';
import { compare, type Contestant, type Figures } from './measure.js';
import { type Server, serveBetterAuth, serveExpressSession, serveLatchkey, serveRaw, serveWorkers } from './servers.js';
import {
  query,
  seedBetterAuth,
  seedExpressSession,
  seedLatchkey,
  type Store,
  writeCallers,
  writeHeaders,
} from './store.js';

const CONNECTIONS = 64;
export const STRICT = 'Latchkey';
export const STUB = 'Latchkey, check replaced by a stub';
export const RAW = 'raw node:http, the same bytes';
export const BETTER_AUTH = 'better-auth, asking its database';
export const BETTER_AUTH_CACHE = 'better-auth, cookie cache';
export const EXPRESS_SESSION = 'express-session + connect-pg-simple';

export interface Sizes {
  readonly sessions: number;
  readonly rounds: number;
  readonly seconds: number;
}

export interface ProtectedFigures {
  readonly contestants: Map<string, Figures>;
  readonly byConnections: Map<number, Figures>;
  /** With a thousand sessions and with all of them. */
  readonly few: Figures;
  readonly many: Figures;
  readonly bytesPerSession: number;
  readonly oneProcess: Figures;
  readonly twoWorkers: Figures;
}

export async function benchProtected(store: Store, url: string, sizes: Sizes): Promise<ProtectedFigures> {
  const { sessions, ...rounds } = sizes;
  const plan = { connections: CONNECTIONS, ...rounds };
  const file = (name: string) => join(store.folder, name);
  const latchkey = (name: string, server: Server, headers = file('callers')): Contestant => ({
    name,
    server,
    target: { url: `${server.url}/auth/me`, headers },
  });
  const [caller] = await writeCallers(url, file('callers'));
  const betterAuth = await seedBetterAuth(store, sessions);
  const expressSession = await seedExpressSession(store, sessions);
  writeHeaders(file('better-auth'), betterAuth.headers);
  writeHeaders(file('express-session'), expressSession.headers);

  const strict = await serveLatchkey(url);
  const cached = await serveBetterAuth(betterAuth.url, 'on');
  writeHeaders(file('better-auth-cached'), await withCookieCache(cached, betterAuth.headers));
  const peer = (name: string, server: Server, path: string, headers: string): Contestant => ({
    name,
    server,
    target: { url: server.url + path, headers: file(headers) },
  });
  const contestants = [
    peer(RAW, await serveRaw(`${strict.url}/auth/me`, caller!), '/', 'callers'),
    latchkey(STUB, await serveLatchkey(url, 'stub')),
    latchkey(STRICT, strict),
    latchkey('Latchkey, a query for each request (pg)', await serveLatchkey(url, 'pg')),
    latchkey('Latchkey, a query for each request (TypeORM)', await serveLatchkey(url, 'typeorm')),
    peer(BETTER_AUTH, await serveBetterAuth(betterAuth.url, 'off'), '/', 'better-auth'),
    peer(BETTER_AUTH_CACHE, cached, '/', 'better-auth-cached'),
    peer(EXPRESS_SESSION, await serveExpressSession(expressSession.url, 'on'), '/me', 'express-session'),
    peer(
      `${EXPRESS_SESSION}, no touch`,
      await serveExpressSession(expressSession.url, 'off'),
      '/me',
      'express-session',
    ),
  ];
  const figures = await compare(store, contestants, plan);
  await Promise.all(contestants.filter(({ server }) => server !== strict).map(({ server }) => server.stop()));

  const byConnections = new Map<number, Figures>();
  for (const connections of [1, 8, CONNECTIONS, 256]) {
    const short = { connections, rounds: 1, seconds: rounds.seconds };
    byConnections.set(connections, (await compare(store, [latchkey(STRICT, strict)], short)).get(STRICT)!);
  }

  const fewUrl = await seedLatchkey(store, 'few', 1000);
  await writeCallers(fewUrl, file('few'));
  const few = latchkey('few', await serveLatchkey(fewUrl), file('few'));
  const sized = await compare(store, [few, latchkey('many', strict)], plan);
  await Promise.all([few.server.stop(), strict.stop()]);

  // Load, PostgreSQL and servers on all cores here, as on a machine of one's own.
  const alone = latchkey('one', await serveLatchkey(url, 'strict', { cores: ALL_CORES }));
  const shared = latchkey('two', await serveWorkers(url, 2));
  const onAllCores = await compare(store, [alone, shared], plan);
  await Promise.all([alone.server.stop(), shared.server.stop()]);

  const [size] = await query<{ bytes: number }>(
    url,
    `SELECT pg_total_relation_size('sessions')::float8 / count(*) AS bytes FROM sessions`,
  );
  return {
    contestants: figures,
    byConnections,
    few: sized.get('few')!,
    many: sized.get('many')!,
    bytesPerSession: size!.bytes,
    oneProcess: onAllCores.get('one')!,
    twoWorkers: onAllCores.get('two')!,
  };
}

/** The cookies of better-auth together with the one that caches its session. */
async function withCookieCache({ url }: Server, headers: readonly string[]): Promise<string[]> {
  // All at once are more connections than a server takes at a moment.
  const atATime = pLimit(CONNECTIONS);
  return Promise.all(
    headers.map((header) =>
      atATime(async () => {
        const cookie = header.slice('Cookie: '.length);
        const [set = ''] = (await fetch(url, { headers: { cookie } })).headers.getSetCookie();
        return `${header}; ${set.split(';')[0]}`;
      }),
    ),
  );
}
