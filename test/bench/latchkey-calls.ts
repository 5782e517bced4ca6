import { PASSWORD } from '../support/api.js';
import type { Scenario } from './calls.js';
import { pickUsers, seedRefreshTokens, seedUserWith } from './store.js';

export const latchkeyCalls = (url: string): Scenario[] => [
  {
    kind: 'login',
    name: 'login (Argon2id, 19 MiB, 2 passes)',
    connections: 8,
    async prepare(client) {
      const users = (await pickUsers(url, 500)).values();
      return () => {
        const { value } = users.next();
        const body = { email: value?.email, password: PASSWORD, tokenDelivery: 'body' };
        return value ? client.call('POST', '/auth/login', { body }) : Promise.resolve(null);
      };
    },
  },
  {
    kind: 'refresh',
    name: 'refresh',
    connections: 64,
    async prepare(client) {
      const tokens = await seedRefreshTokens(url);
      return async (connection) => {
        const answer = await client.call('POST', '/auth/refresh', { body: { refreshToken: tokens[connection] } });
        tokens[connection] = answer.body.refreshToken;
        return answer;
      };
    },
  },
  {
    kind: 'list',
    name: 'session list',
    connections: 8,
    async prepare(client) {
      const tokens = await seedRefreshTokens(url);
      const { body } = await client.call('POST', '/auth/refresh', { body: { refreshToken: tokens[0] } });
      return () => client.call('GET', '/sessions', { bearer: body.accessToken });
    },
  },
  {
    kind: 'logout',
    name: 'logout',
    connections: 8,
    async prepare(client) {
      const tokens = (await seedRefreshTokens(url)).values();
      return () => {
        const { value } = tokens.next();
        return value ? client.call('POST', '/auth/logout', { body: { refreshToken: value } }) : Promise.resolve(null);
      };
    },
  },
  ...[
    { sessions: 1, count: 100 },
    { sessions: 100, count: 20 },
    { sessions: 10_000, count: 3 },
  ].map(({ sessions, count }): Scenario => ({
    kind: 'logout',
    name: `logout-all, ${sessions.toLocaleString('en')} session${sessions > 1 ? 's' : ''}`,
    connections: 1,
    count,
    async prepare(client, most) {
      const tokens: string[] = [];
      while (tokens.length < Math.min(most, count)) tokens.push(await seedUserWith(url, sessions));
      return () => {
        const refreshToken = tokens.pop();
        return refreshToken === undefined
          ? Promise.resolve(null)
          : client.call('POST', '/auth/logout-all', { body: { refreshToken } });
      };
    },
  })),
];
