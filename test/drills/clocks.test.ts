import { join } from 'node:path';
import { PASSWORD, someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { claimsOf } from '../support/forge.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';

// Two instances whose clocks are 20 minutes apart, and each 10 from the database's.
const SHIFT_SECONDS = 600;
let database: TestDatabase;
let slow: Instance;
let fast: Instance;

beforeAll(async () => {
  database = await createDatabase();
  const start = (shiftSeconds: number) =>
    startInstance({
      env: {
        DATABASE_URL: database.url,
        RATE_LIMIT: 'on',
        ACCESS_TOKEN_TTL: '60',
        NODE_OPTIONS: `--import ${join(process.cwd(), 'test/support/shifted-clock.mjs')}`,
        CLOCK_SHIFT_SECONDS: String(shiftSeconds),
      },
    });
  [slow, fast] = await Promise.all([start(-SHIFT_SECONDS), start(SHIFT_SECONDS)]);
}, 60_000);

afterAll(async () => {
  await Promise.all([slow, fast].map((instance) => instance?.kill('SIGTERM')));
  await expectInvariants(database);
  await database.drop();
});

const bothWays = () => [
  { from: slow, to: fast },
  { from: fast, to: slow },
];

it("An instance logs at its start by how much its clock differs from the database's", () => {
  for (const instance of [slow, fast]) {
    expect(instance.output()).toMatch(/clock is \d{3} seconds (ahead of|behind) the database's/);
  }
});

it("Instances whose clocks are 20 minutes apart accept each other's access tokens and issue correct times", async () => {
  for (const { from, to } of bothWays()) {
    const { accessToken, expiresIn, session } = await from.api.signUp();
    expect(expiresIn).toBe(60);
    expect(Math.abs(Number(claimsOf(accessToken)['iat']) - Date.now() / 1000)).toBeLessThan(30);
    expect(Math.abs(new Date(session.createdAt).getTime() - Date.now())).toBeLessThan(30_000);
    expect((await from.api.me(accessToken)).status).toBe(200);
    expect((await to.api.me(accessToken)).status).toBe(200);
  }
});

it("Instances whose clocks are 20 minutes apart rotate, repeat and detect reuse of each other's refresh tokens", async () => {
  for (const { from, to } of bothWays()) {
    const { refreshToken } = await from.api.signUp();
    const second = await to.api.refresh(refreshToken);
    expect((await from.api.refresh(refreshToken)).body.refreshToken).toBe(second.body.refreshToken);
    const third = await from.api.refresh(second.body.refreshToken);
    expect(third.status).toBe(200);
    expect((await to.api.refresh(refreshToken)).body.code).toBe('refresh_token_reused');
    expect((await from.api.me(third.body.accessToken)).body.code).toBe('session_revoked');
  }
});

it('One logout ends a session at two instances whose clocks are 20 minutes apart', async () => {
  for (const { from, to } of bothWays()) {
    const { accessToken, refreshToken } = await from.api.signUp();
    expect((await to.api.logout(refreshToken)).status).toBe(204);
    expect((await from.api.me(accessToken)).body.code).toBe('session_revoked');
    expect((await from.api.refresh(refreshToken)).body.code).toBe('session_revoked');
  }
});

it('Alternating between instances whose clocks are 20 minutes apart gives a guesser at most one more try', async () => {
  const { email } = someone();
  await slow.api.register({ email, password: PASSWORD });
  const statuses: number[] = [];
  for (let guess = 0; guess < 30; guess++) {
    const { api } = guess % 2 === 0 ? slow : fast;
    statuses.push((await api.login({ email, password: `guess ${guess}` })).status);
  }
  // The delay after the fifth is over for the fast clock when it begins for the slow one: once, and not again.
  expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(6);
  expect(statuses.slice(6).every((status) => status === 429)).toBe(true);
});
