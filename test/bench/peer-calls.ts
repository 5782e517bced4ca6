// The nearest to Latchkey's calls that others have, by the routes of their documentation.
import { PASSWORD } from '../support/api.js';
import type { Call, Scenario } from './calls.js';
import type { Client } from './client.js';
import { pickBetterAuthCookies, pickExpressCookies } from './peer-stores.js';

// Its baseURL: what a browser would say on its own pages.
const ORIGIN = 'http://localhost:3000';
const LOGINS = 500;

/** Calls with one after the other, until all were used. */
function oneByOne<Item>(items: readonly Item[], call: (item: Item) => Promise<{ status: number }>): Call {
  const left = items.values();
  return () => {
    const next = left.next();
    return next.done ? Promise.resolve(null) : call(next.value);
  };
}

const emails = Array.from({ length: LOGINS }, (_, i) => `user-${i + 1}@example.com`);

const login = (client: Client, path: string): Call =>
  oneByOne(emails, (email) => client.call('POST', path, { body: { email, password: PASSWORD } }));

export const betterAuthCalls = (url: string): Scenario[] => [
  {
    kind: 'login',
    name: 'better-auth, sign-in (the same hash)',
    connections: 8,
    prepare: (client) => Promise.resolve(login(client, '/api/auth/sign-in/email')),
  },
  {
    kind: 'logout',
    name: 'better-auth, sign-out',
    connections: 8,
    prepare: async (client) =>
      oneByOne(await pickBetterAuthCookies(url), ({ cookie }) =>
        client.call('POST', '/api/auth/sign-out', { cookie, origin: ORIGIN, body: {} }),
      ),
  },
  {
    kind: 'logout',
    name: 'better-auth, revoke-session',
    connections: 8,
    prepare: async (client) =>
      oneByOne(await pickBetterAuthCookies(url), ({ cookie, token }) =>
        client.call('POST', '/api/auth/revoke-session', { cookie, origin: ORIGIN, body: { token } }),
      ),
  },
];

/** What comes nearest to a refresh: its session lives longer from now on. */
export const betterAuthExtending = (url: string): Scenario[] => [
  {
    kind: 'refresh',
    name: 'better-auth, get-session that extends it',
    connections: 64,
    async prepare(client) {
      const sessions = await pickBetterAuthCookies(url);
      return (connection) => client.call('GET', '/api/auth/get-session', { cookie: sessions[connection]!.cookie });
    },
  },
];

export const expressCalls = (url: string): Scenario[] => [
  {
    kind: 'login',
    name: 'express-session, login (the same hash)',
    connections: 8,
    prepare: (client) => Promise.resolve(login(client, '/login')),
  },
  {
    kind: 'refresh',
    name: 'express-session, a request that extends it',
    connections: 64,
    async prepare(client) {
      const cookies = await pickExpressCookies(url);
      return (connection) => client.call('GET', '/me', { cookie: cookies[connection]! });
    },
  },
  {
    kind: 'logout',
    name: 'express-session, destroy',
    connections: 8,
    prepare: async (client) =>
      oneByOne(await pickExpressCookies(url), (cookie) => client.call('POST', '/logout', { cookie })),
  },
];
