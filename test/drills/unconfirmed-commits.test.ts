import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, type QueryResultRow } from 'pg';
import type { Answer, Api, AuthResult } from '../support/api.js';
import { addClient, basic, signUpStaff } from '../support/clients.js';
import { type Instance, spawnInstance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { type OwnPostgres, startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

// A PostgreSQL of its own, whose commits wait for a standby that there is not.
let postgres: OwnPostgres;
let instance: Instance;
let api: Api;
let admin: Client;

const connect = async (): Promise<Client> => {
  const client = new Client({ connectionString: postgres.url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
};

/** One whose own commits wait for no standby. */
async function connectAdmin(): Promise<Client> {
  const client = await connect();
  await client.query('SET synchronous_commit = local');
  return client;
}

const ask = async <Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> =>
  (await admin.query<Row>(sql, values)).rows;

const WAITING = `FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;
const waiting = async () => (await ask(`SELECT ${WAITING}`)).length;

/** From now on a commit waits until it is cancelled, or until {@link haveNoStandby}. */
async function missStandby(): Promise<void> {
  await ask(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`);
  await ask('SELECT pg_reload_conf()');
  const probe = await connect();
  let isEnding = false;
  const commits = (async () => {
    while (!isEnding) await probe.query(`SELECT pg_logical_emit_message(true, 'probe', '')`);
  })();
  await until('a commit waits', waiting);
  isEnding = true;
  await cancelUntilAnswered(commits);
  await probe.end();
}

/** What waits is released, and counts as confirmed. */
async function haveNoStandby(): Promise<void> {
  await ask('ALTER SYSTEM RESET synchronous_standby_names');
  await ask('SELECT pg_reload_conf()');
}

/** Ends every wait for the standby, as an administrator does, until the answer is there. */
async function cancelUntilAnswered<T>(answer: Promise<T>): Promise<T> {
  let isAnswered = false;
  const settled = answer.finally(() => (isAnswered = true));
  await until('it is answered', async () => {
    await ask(`SELECT pg_cancel_backend(pid) ${WAITING}`);
    return isAnswered;
  });
  return settled;
}

beforeAll(async () => {
  postgres = await startPostgres();
  instance = await startInstance({
    env: { DATABASE_URL: postgres.url, LOG_LEVEL: 'silent', DATABASE_STATEMENT_TIMEOUT_MS: '20000' },
  });
  api = instance.api;
  admin = await connectAdmin();
}, 60_000);

afterEach(haveNoStandby);

afterAll(async () => {
  await instance?.kill('SIGTERM');
  try {
    await expectInvariants({ query: ask }, { hasFaults: true });
  } finally {
    await admin?.end();
    await postgres?.stop();
  }
}, 60_000);

/** Each way to end a session, and what is answered where it has ended already. */
async function endings() {
  const staff = await signUpStaff(api, { query: ask });
  const service = await addClient(api, staff, 'revoke');
  const revoke = (token: string) =>
    api.call('POST', '/oauth/revoke', {
      body: new URLSearchParams({ token }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic(service) },
    });
  const account = await api.signUp();
  const ways: [name: string, again: number, end: (device: AuthResult) => Promise<Answer>][] = [
    ['logout with the refresh token', 204, ({ refreshToken }) => api.logout(refreshToken)],
    [
      'logout with the access token',
      204,
      ({ accessToken }) => api.call('POST', '/auth/logout', { bearer: accessToken }),
    ],
    ['logout of a device', 404, ({ session }) => api.endSession(account.accessToken, session.id)],
    ['logout of all others', 200, () => api.logoutOthers(account.accessToken)],
    ['revocation of a refresh token', 200, ({ refreshToken }) => revoke(refreshToken)],
    ['revocation of an access token', 200, ({ accessToken }) => revoke(accessToken)],
    [
      'revocation by staff, in a transaction',
      200,
      ({ user }) =>
        api.call('POST', `/admin/users/${user.id}/sessions/revoke`, { bearer: staff.accessToken, body: {} }),
    ],
  ];
  return ways.map(([name, again, end]) => ({ name, again, end, signIn: () => api.signIn(account.credentials) }));
}

it('A commit whose wait for the standbys was ended is answered 503, and its repetition only once they have it', async () => {
  for (const { name, again, end, signIn } of await endings()) {
    const device = await signIn();
    await missStandby();
    const cancelled = await cancelUntilAnswered(end(device));
    expect([name, cancelled.status, cancelled.body?.code ?? cancelled.body?.error]).toEqual([
      name,
      503,
      expect.stringMatching(/unavailable$/),
    ]);

    // It is committed here, so that it can be read. That is no reason to say that it is done.
    let isAnswered = false;
    const repeated = end(device).finally(() => (isAnswered = true));
    await until('the repetition waits', async () => isAnswered || (await waiting()) > 0);
    expect([name, isAnswered]).toEqual([name, false]);
    await haveNoStandby();
    expect([name, (await repeated).status]).toEqual([name, again]);
    expect((await api.me(device.accessToken)).status).toBe(401);
    expect((await api.refresh(device.refreshToken)).status).toBe(401);
  }
}, 120_000);

it('A role that hides warnings is answered 503 all the same', async () => {
  const [{ user } = { user: '' }] = await ask<{ user: string }>('SELECT current_user AS user');
  await ask(`ALTER ROLE ${user} SET client_min_messages = 'error'`);
  await ask(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'`);
  await until('it is ready', async () => (await api.call('GET', '/health/ready')).status === 200);
  const { refreshToken } = await api.signUp();
  await missStandby();
  expect((await cancelUntilAnswered(api.logout(refreshToken))).status).toBe(503);
  await ask(`ALTER ROLE ${user} RESET client_min_messages`);
}, 60_000);

it('While no standby confirms, logouts are answered 503 in time, and protected requests go on', async () => {
  const impatient = await startInstance({
    env: { DATABASE_URL: postgres.url, LOG_LEVEL: 'silent', DATABASE_STATEMENT_TIMEOUT_MS: '1000' },
  });
  const { accessToken, refreshToken } = await impatient.api.signUp();
  await missStandby();
  // The time-out of the server does not end the wait, that of the driver does; the commit stays under way.
  expect((await impatient.api.logout(refreshToken)).status).toBe(503);
  expect(await waiting()).toBeGreaterThan(0);
  // Not ended, as far as anyone can read, and not said to be. The repetition waits for the row.
  expect((await impatient.api.me(accessToken)).status).toBe(200);
  expect((await impatient.api.logout(refreshToken)).status).toBe(503);

  await haveNoStandby();
  await until('the first one has ended it', async () => (await impatient.api.me(accessToken)).status === 401);
  expect((await impatient.api.refresh(refreshToken)).body.code).toBe('session_revoked');
  expect(await impatient.kill('SIGTERM')).toBe(0);
}, 60_000);

it('Nothing is read from a server that has become a standby, and a promoted one is used at once', async () => {
  const { accessToken, refreshToken } = await api.signUp();
  await admin.end();
  await postgres.stop();
  writeFileSync(join(postgres.dataDir, 'postgres', 'standby.signal'), '');
  // It has not restarted as a primary before it is promoted.
  const restarted = postgres.restart();
  admin = await until('it can be read', () => connectAdmin().catch(() => null));
  expect(await ask('SELECT pg_is_in_recovery() AS "isStandby"')).toEqual([{ isStandby: true }]);
  try {
    for (let i = 0; i < 5; i++) {
      expect((await api.me(accessToken)).status).toBe(503);
      expect((await api.refresh(refreshToken)).status).toBe(503);
      expect((await api.call('GET', '/health/ready')).status).toBe(503);
    }
    const refused = spawnInstance({ env: { DATABASE_URL: postgres.url } });
    expect(await once(refused.child, 'close')).toEqual([1, null]);
    expect(refused.output()).toContain('it is a standby and not the primary');
  } finally {
    await ask('SELECT pg_promote()');
    await restarted;
  }
  await until('it serves', async () => (await api.me(accessToken)).status === 200);
  expect((await api.refresh(refreshToken)).status).toBe(200);
}, 60_000);
