// What a protected GET costs, beside what a user would pick instead.
import { join } from 'node:path';
import pLimit from 'p-limit';
import { compare, type Contestant, type Figures } from './measure.js';
import { type Server, serveBetterAuth, serveExpressSession, serveLatchkey, serveRaw } from './servers.js';
import type { PeerStore } from './peer-stores.js';
import { type Store, writeCallers, writeHeaders } from './store.js';

const CONNECTIONS = 64;
export const STRICT = 'Latchkey';
export const LOG_OFF = 'Latchkey, log off';
const STUB = 'Latchkey, check replaced by a stub';
export const RAW = 'raw node:http, the same bytes';
export const BETTER_AUTH = 'better-auth, asking its database';
export const BETTER_AUTH_CACHE = 'better-auth, cookie cache';
export const EXPRESS_SESSION = 'express-session + connect-pg-simple';

export interface Sizes {
  readonly sessions: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** What tells least is left out. */
  readonly isQuick: boolean;
  /** How many tokens are seen for the first time: many more than the service remembers, so that none ever is. */
  readonly firstSeen: number;
}

/** Figures by the name of the contestant. */
export async function benchProtected(
  store: Store,
  url: string,
  { betterAuth, expressSession }: Record<'betterAuth' | 'expressSession', PeerStore>,
  sizes: Sizes,
): Promise<Map<string, Figures>> {
  const { rounds, seconds, warmUpSeconds } = sizes;
  const plan = { connections: CONNECTIONS, rounds, seconds, warmUpSeconds };
  const file = (name: string) => join(store.folder, name);
  const latchkey = (name: string, server: Server, headers = file('callers')): Contestant => ({
    name,
    server,
    target: { url: `${server.url}/auth/me`, headers },
  });
  const [caller] = await writeCallers(url, file('callers'));
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
    latchkey(LOG_OFF, await serveLatchkey(url, 'strict', { logsRequests: false })),
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
  await stopAll(contestants);
  const byTokens = await compareTokens(store, url, sizes);
  return inOrder(figures, byTokens);
}

// In turns of their own: PostgreSQL has connections for so many servers at a time.
async function compareTokens(store: Store, url: string, { firstSeen, isQuick, ...rounds }: Sizes) {
  const file = (name: string) => join(store.folder, name);
  const contestant = async (name: string, headers: string, count: number | undefined, isHs256: boolean) => {
    await writeCallers(url, file(headers), { isHs256, ...(count !== undefined && { count }) });
    const server = await serveLatchkey(url, 'strict', { isHs256 });
    return { name, server, target: { url: `${server.url}/auth/me`, headers: file(headers) } };
  };
  const contestants = [await contestant('Latchkey, tokens seen for the first time', 'first-seen', firstSeen, false)];
  if (!isQuick) {
    contestants.push(
      await contestant('Latchkey, HS256', 'hs256', undefined, true),
      await contestant('Latchkey, HS256, tokens seen for the first time', 'first-seen-hs256', firstSeen, true),
    );
  }
  const figures = await compare(store, contestants, { connections: CONNECTIONS, ...rounds });
  await stopAll(contestants);
  return figures;
}

const stopAll = (contestants: readonly Contestant[]) => Promise.all(contestants.map(({ server }) => server.stop()));

/** The peers last. */
function inOrder(...all: Map<string, Figures>[]): Map<string, Figures> {
  const isPeer = (name: string) => !name.startsWith('Latchkey') && name !== RAW;
  const entries = all.flatMap((figures) => [...figures]);
  return new Map([...entries.filter(([name]) => !isPeer(name)), ...entries.filter(([name]) => isPeer(name))]);
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
