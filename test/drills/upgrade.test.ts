import { Client } from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { loadConfig } from '../../src/config/load-config.js';
import { databaseOptions } from '../../src/database/database-options.js';
import { migrate } from '../../src/database/migrate.js';
import { migrations } from '../../src/database/migrations/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type OldSession, type OldTraffic, seedFirstRelease, startOldTraffic } from '../support/first-release.js';
import { startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';

// From the schema of the first release to the newest, while instances of the first release serve and a long SELECT runs.
const USERS = 300;
const ROUNDS = 10;

let database: TestDatabase;
let sessions: OldSession[];
let traffic: OldTraffic;

const options = () => databaseOptions(loadConfig({ ...SECRETS, DATABASE_URL: database.url }));
const migrateTo = (count: number) => migrate({ ...options(), migrations: migrations.slice(0, count) });

beforeEach(async () => {
  database = await createDatabase({ isEmpty: true });
  await migrateTo(1);
  sessions = await seedFirstRelease(database, USERS);
  traffic = await startOldTraffic(database.url, sessions);
});

afterEach(async () => {
  await traffic.stop();
  await database.drop();
});

/** Until so many more rounds are done, with all kinds of statements. */
async function serve(rounds = ROUNDS): Promise<void> {
  const before = traffic.rounds();
  await until('requests are served', () => traffic.rounds() >= before + rounds);
}

/** Reads every table, and keeps locks and snapshot until it ends: a backup, or a report. */
async function startLongSelect(): Promise<Client> {
  const client = new Client({ connectionString: database.adminUrl });
  await client.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await client.query(
    'SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM sessions), (SELECT count(*) FROM audit_events)',
  );
  return client;
}

const isMigrationWaiting = async (): Promise<boolean> =>
  (
    await database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'latchkey'
         AND wait_event_type = 'Lock'`,
    )
  ).length > 0;

it('Each migration since the first release lets the first release serve, though a long SELECT is in its way', async () => {
  const waited: string[] = [];
  for (let count = 2; count <= migrations.length; count++) {
    const reader = await startLongSelect();
    let isDone = false;
    const migrating = migrateTo(count).finally(() => (isDone = true));
    try {
      const isWaiting = await until(
        'it waits, or is done',
        async () => isDone || ((await isMigrationWaiting()) && 'yes'),
      );
      if (isWaiting === 'yes') waited.push(migrations[count - 1]!.name);
      await serve();
    } finally {
      await reader.end();
    }
    await migrating;
    await serve();
    expect([migrations[count - 1]!.name, [...traffic.failures]]).toEqual([migrations[count - 1]!.name, []]);
  }
  // It was in the way.
  expect(waited.length).toBeGreaterThan(3);

  // The newest release serves what the first one opened, beside it.
  const instance = await startInstance({ env: { DATABASE_URL: database.url } });
  try {
    for (const { id, refreshToken } of sessions.slice(0, 20)) {
      const { status, body } = await instance.api.refresh(refreshToken);
      expect([status, body.session?.id]).toEqual([200, id]);
      expect((await instance.api.me(body.accessToken)).status).toBe(200);
      expect((await instance.api.logout(body.refreshToken)).status).toBe(204);
    }
    await serve();
    expect([...traffic.failures]).toEqual([]);
    await traffic.stop();
    await expectInvariants(database, { api: instance.api, hasMissingRows: true });
  } finally {
    await instance.kill('SIGTERM');
  }
}, 300_000);

it('An instance of the newest release that starts on the first schema migrates it at once, and nothing is lost', async () => {
  await serve();
  const instance = await startInstance({ env: { DATABASE_URL: database.url } });
  try {
    await serve();
    expect([...traffic.failures]).toEqual([]);
    await traffic.stop();
    // Of each session, the lines of its beginning and its end are there.
    await expectInvariants(database, { hasMissingRows: true });
    expect(
      await database.query('SELECT FROM sessions WHERE id = ANY($1)', [sessions.map(({ id }) => id)]),
    ).toHaveLength(sessions.length);
  } finally {
    await instance.kill('SIGTERM');
  }
}, 60_000);

it('A migration that holds a table for longer than a session check may take is seen by the same traffic', async () => {
  class HoldSessions1999999999999 implements MigrationInterface {
    readonly name = 'HoldSessions1999999999999';
    async up(runner: QueryRunner): Promise<void> {
      await runner.query('ALTER TABLE sessions ADD COLUMN note text');
      await runner.query('SELECT pg_sleep(1.5)');
    }
    async down(): Promise<void> {}
  }
  await migrate({ ...options(), migrations: [...migrations.slice(0, 1), HoldSessions1999999999999] });
  expect([...traffic.failures.values()].join()).toContain('lock timeout');
}, 60_000);
