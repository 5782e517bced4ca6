import { readFileSync, writeFileSync } from 'node:fs';
import type { Sql } from 'sql-template-tag';
import { KnownDevices } from '../../src/sessions/known-devices.js';
import { LogoutRepository } from '../../src/sessions/revoke/logout.repository.js';
import { ChecksRepository } from '../../src/sessions/check/checks.repository.js';
import { RefreshTokens } from '../../src/sessions/refresh/refresh-token.js';
import { RefreshRepository } from '../../src/sessions/refresh/refresh.repository.js';
import { Revocations } from '../../src/sessions/revoke/revocations.js';
import { SessionOpeningRepository } from '../../src/sessions/session-opening.repository.js';
import { SessionsRepository } from '../../src/sessions/sessions.repository.js';

const FILE = 'src/sessions/statements.sql';
const UPDATE = 'UPDATE_STATEMENTS=1 npx jest -c test/jest.config.mjs test/unit/statements.test.ts';
const HEADER = `-- What the repositories of sessions send to PostgreSQL. Written by: ${UPDATE}`;

const sent: string[] = [];
let method = '';

function record({ text }: Sql, name?: string) {
  const sql = text.trim().replaceAll(/\s*\n(?: {6})?/g, '\n');
  sent.push(`-- ${method}${name === undefined ? '' : `, prepared as ${name}`}\n${sql};`);
  // One row where a statement locks, none to read: each method sends all that it can.
  return Promise.resolve({ rows: [], rowCount: 1 });
}

const id = '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61';
const source = { ip: '203.0.113.7', userAgent: 'curl/8.0', requestId: 'request' };
const config = {
  refreshTokenSecrets: ['s'.repeat(32)],
  hasRateLimits: true,
  maxSessionsPerUser: 10,
  lastSeenSeconds: 60,
};
const tokens: any = Reflect.construct(RefreshTokens, [config]);
const token = tokens.read(tokens.issue(id));
const database = {
  query: (statement: Sql) => record(statement),
  prepared: (name: string, statement: Sql) => record(statement, name),
  settle: () => Promise.resolve(),
};
// What they are asked is what the primary is.
const standbys = { areReady: true, read: () => Promise.resolve(null) };
const transaction = { query: database.query, afterCommit: () => undefined };
const notifications = { notify: () => undefined };
const entities = { find: () => Promise.resolve([]) };
const page = { after: { createdAt: '2026-11-23T09:30:00.000Z', id }, limit: 20 };
const hash = Buffer.alloc(32);

// Every method once, with the parts that are only sometimes there.
const CALLS: [new (...args: any[]) => any, unknown[], Record<string, unknown[]>][] = [
  [
    SessionsRepository,
    [entities, database, notifications],
    {
      listActive: [id, id, page],
      listEnded: [id, page],
      listIds: [id],
      listByIds: [[id]],
      isActiveWithin: [transaction, id, id],
      rename: [id, id, 'Work laptop', source],
    },
  ],
  [
    SessionOpeningRepository,
    [config, notifications],
    {
      open: [transaction, { id, userId: id, passwordHash: '!', refreshTokenHash: hash, delivery: 'body' }, source],
    },
  ],
  [
    LogoutRepository,
    [database, notifications, config],
    {
      revoke: [id, id, { reason: 'revoked_by_user', actorId: null }, source],
      revokeAllOf: [id, null, 'logout_all', source],
      revokePresented: [token, ['body'], { reason: 'logout', actorId: null }, source],
      revokeAllOfPresented: [token, 'body', source],
    },
  ],
  [
    Revocations,
    [notifications],
    {
      revokeOne: [transaction, { id, actorId: id }, 'revoked_by_admin', source],
      revokeAll: [transaction, { userId: id, actorId: id }, 'password_changed', source],
    },
  ],
  [KnownDevices, [], { forget: [transaction, id] }],
  [
    RefreshRepository,
    [database, notifications, config],
    {
      rotate: [token, 'body', hash, source],
      findRotationDelay: [id, source],
      revokeReused: [{ id, userAgent: '' }, source],
      findState: [id],
    },
  ],
  [
    ChecksRepository,
    [database, standbys, database, config],
    {
      canAskStandby: [],
      findStates: [[id]],
      findStatesAtStandby: [[id]],
      recordSeen: [[{ id, generation: 1 }]],
      recordEndedSessionUses: [[{ sessionId: id, userId: id, ...source }]],
    },
  ],
];

beforeAll(async () => {
  for (const [Repository, dependencies, calls] of CALLS) {
    const repository: any = Reflect.construct(Repository, dependencies);
    const methods = Object.getOwnPropertyNames(Repository.prototype).filter((name) => name !== 'constructor');
    const spies = methods.map((name) => jest.spyOn(repository, name));
    for (const [name, args] of Object.entries(calls)) {
      method = `${Repository.name}.${name}`;
      await repository[name](...args);
    }
    const uncalled = methods.filter((_, index) => spies[index]!.mock.calls.length === 0);
    if (uncalled.length > 0) {
      throw new Error(`${Repository.name} has methods that this test does not call: ${uncalled.join(', ')}`);
    }
  }
});

it('The statements of sessions are those in statements.sql', () => {
  const text = `${[HEADER, ...sent].join('\n\n')}\n`;
  if (process.env.UPDATE_STATEMENTS) {
    writeFileSync(FILE, text);
  }
  try {
    expect(text).toBe(readFileSync(FILE, 'utf8'));
  } catch (error) {
    throw new Error(`${FILE} is stale. Look at what changed, and write it anew: ${UPDATE}`, { cause: error });
  }
});

it('No name of a prepared statement stands for two statements of sessions', () => {
  const names = sent.flatMap((text) => /prepared as (\w+)/.exec(text)?.[1] ?? []);
  expect(names).toHaveLength(new Set(names).size);
  expect(names).not.toHaveLength(0);
});
