// What each call that changes sessions costs, and what PostgreSQL alone would do.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sql } from 'sql-template-tag';
import { RefreshRepository } from '../../src/sessions/refresh/refresh.repository.js';
import { PASSWORD } from '../support/api.js';
import { startDatabaseProxy } from '../support/database-proxy.js';
import { type CallTimes, Client } from './client.js';
import { hasPgbench } from './machine.js';
import { type Figures, measureOnce } from './measure.js';
import { type Server, serveLatchkey } from './servers.js';
import { pickUsers, query, seedRefreshTokens, seedUserWith, type Store } from './store.js';

const REFRESH_CONNECTIONS = 64;
const MANY = 2000;

export interface CallFigures extends Figures {
  readonly name: string;
  readonly connections: number;
  readonly statements: number;
}

type Call = (connection: number) => Promise<{ status: number } | null>;

interface Scenario {
  readonly name: string;
  readonly connections: number;
  /** Makes the calls ready, for so many of them; null from a call says that they are used up. */
  readonly prepare: (client: Client, count: number) => Promise<Call>;
  /** How many calls at most; as many as fit into the time where unset. */
  readonly count?: number;
}

/** Measures each call, and counts its statements on a server behind a counting proxy. */
export async function benchCalls(store: Store, url: string, seconds: number): Promise<CallFigures[]> {
  const proxy = await startDatabaseProxy(url);
  const [server, counted] = [await serveLatchkey(url), await serveLatchkey(proxy.url)];
  const figures: CallFigures[] = [];
  for (const scenario of scenariosOf(url)) {
    const statements = await countStatements(counted, scenario, () => proxy.statements());
    figures.push({
      name: scenario.name,
      connections: scenario.connections,
      statements,
      ...(await measureScenario(store, server, scenario, seconds)),
    });
  }
  await Promise.all([server.stop(), counted.stop()]);
  proxy.stop();
  return figures;
}

async function measureScenario(store: Store, server: Server, scenario: Scenario, seconds: number): Promise<Figures> {
  const client = new Client(server.url, scenario.connections);
  const run = async () => {
    const call = await scenario.prepare(client, scenario.count ?? MANY);
    return () =>
      client.all(seconds, async (connection) => {
        const answer = await call(connection);
        if (answer && answer.status >= 300) throw new Error(`${scenario.name}: ${answer.status}`);
        return answer !== null;
      });
  };
  // Until its code is compiled.
  await (
    await run()
  )();
  const measured = await run();
  const figures = await measureOnce(store, server, async () => {
    const { calls, ...times }: CallTimes = await measured();
    return { requests: calls, ...times };
  });
  client.close();
  return figures;
}

// The fewest of a few: now and then last-seen times are written meanwhile.
async function countStatements(server: Server, { prepare }: Scenario, total: () => number): Promise<number> {
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

const scenariosOf = (url: string): Scenario[] => [
  {
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
    name: 'refresh',
    connections: REFRESH_CONNECTIONS,
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
    name: 'session list',
    connections: 8,
    async prepare(client) {
      const tokens = await seedRefreshTokens(url);
      const { body } = await client.call('POST', '/auth/refresh', { body: { refreshToken: tokens[0] } });
      return () => client.call('GET', '/sessions', { bearer: body.accessToken });
    },
  },
  {
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

/** How many refreshes a second pgbench does with the service's own statement, prepared. Null without pgbench. */
export async function benchRefreshStatement(store: Store, url: string, seconds: number): Promise<number | null> {
  if (!hasPgbench) {
    return null;
  }
  const id = (client: string) => `('00000000-0000-4000-8000-' || lpad(${client}::text, 12, '0'))::uuid`;
  const hash = (client: string, generation: string) =>
    `sha256(convert_to(${client}::text || '.' || ${generation}::text, 'UTF8'))`;
  await query(
    url,
    `INSERT INTO sessions (id, user_id, refresh_token_hash, delivery, user_agent, ip, idle_expires_at, expires_at)
     SELECT ${id('n')}, (SELECT id FROM users LIMIT 1), ${hash('n', '1')}, 'body', 'pgbench', '203.0.113.7',
       now() + interval '5 days', now() + interval '30 days'
     FROM generate_series(0, ${REFRESH_CONNECTIONS - 1}) n`,
  );
  const sql = await rotateStatement({
    sessionId: id(':client_id'),
    delivery: `'body'`,
    generation: ':generation',
    hash: hash(':client_id', ':generation'),
    successorHash: hash(':client_id', '(:generation + 1)'),
    text: `'pgbench'`,
  });
  const script = join(store.folder, 'refresh.sql');
  writeFileSync(script, `${sql.replaceAll(/\s+/g, ' ')};\n\\set generation :generation + 1\n`);
  const options = ['-n', '-M', 'prepared', '-c', String(REFRESH_CONNECTIONS), '-T', String(seconds)];
  const output = execFileSync('pgbench', [...options, '-D', 'generation=1', '-f', script, url], {
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
  const [, perSecond] = /tps = ([\d.]+)/.exec(output) ?? [];
  const [rotated] = await query<{ count: number }>(
    url,
    `SELECT sum(generation - 1)::integer AS count FROM sessions WHERE user_agent = 'pgbench'`,
  );
  const [, done] = /transactions actually processed: (\d+)/.exec(output) ?? [];
  if (rotated!.count !== Number(done)) {
    throw new Error(`pgbench rotated ${rotated!.count} times in ${done} transactions`);
  }
  return Number(perSecond);
}

/** The statement of a refresh as the service sends it, with SQL in place of its values. */
async function rotateStatement(values: Record<string, string>): Promise<string> {
  let statement = '';
  const database = {
    prepared(_name: string, sql: Sql) {
      statement = sql.strings.reduce((before, after, index) => `${before}${String(sql.values[index - 1])}${after}`);
      return Promise.resolve({ rows: [], rowCount: 0 });
    },
  };
  const config = { sessionIdleTtlSeconds: '604800', hasRateLimits: false };
  const repository: any = Reflect.construct(RefreshRepository, [database, null, config]);
  const { text, delivery, successorHash } = values;
  await repository.rotate(values, delivery, successorHash, { ip: text, userAgent: text, requestId: text });
  return statement;
}
