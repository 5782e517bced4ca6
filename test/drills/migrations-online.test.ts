import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { loadConfig } from '../../src/config/load-config.js';
import { databaseOptions, withoutTimeLimits } from '../../src/database/database-options.js';
import { migrations } from '../../src/database/migrations/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { seedFirstRelease } from '../support/first-release.js';
import { complaintsOf } from '../support/online.js';
import { SECRETS } from '../support/secrets.js';

const USERS = 500;
// More than a migration may treat as a table that is small enough to be read while requests wait.
const LINES = 100_000;
// From before this was looked at, and never edited any more: an installation has run them, or is new and has no rows.
const BEFORE_THIS_TEST: Record<string, string[]> = {
  LetOldAuditEventsGo1795200000000: ['reads all of audit_events while it is locked'],
  CreateMailsAndKnownDevices1795300000000: ['reads all of sessions while it is locked'],
  IndexMailsByAge1795540000000: ['reads all of mails while it is locked'],
};

let database: TestDatabase;
let dataSource: DataSource;
let runner: QueryRunner;

beforeEach(async () => {
  database = await createDatabase({ isEmpty: true });
  const options = databaseOptions(loadConfig({ ...SECRETS, DATABASE_URL: database.url }));
  dataSource = await new DataSource({ ...withoutTimeLimits(options), entities: [], poolSize: 2 }).initialize();
  runner = dataSource.createQueryRunner();
});

afterEach(async () => {
  await runner.release();
  await dataSource.destroy();
  await database.drop();
});

/** The first release, with rows in its tables. */
async function startFirstRelease(): Promise<void> {
  await complaintsOf(runner, new migrations[0]!());
  await seedFirstRelease(database, USERS);
  await database.query(
    `INSERT INTO audit_events (type, outcome, at)
     SELECT 'login_failed', 'failure', now() - make_interval(secs => n) FROM generate_series(1, ${LINES}) n`,
  );
}

it('No migration reads or writes a whole table while requests wait for it, or takes away what the release before has', async () => {
  await startFirstRelease();
  const found: Record<string, string[]> = {};
  for (const Migration of migrations.slice(1)) {
    const complaints = await complaintsOf(runner, new Migration());
    if (complaints.length > 0) found[Migration.name] = complaints;
  }
  expect(found).toEqual(BEFORE_THIS_TEST);
}, 120_000);

it('Each session that is open before the upgrade is looked at when its time is over', async () => {
  await complaintsOf(runner, new migrations[0]!());
  // More than one portion.
  const open = await seedFirstRelease(database, 3 * USERS);
  for (const Migration of migrations.slice(1)) await complaintsOf(runner, new Migration());
  const noted = await database.query<{ id: string }>(
    `SELECT session_id AS id FROM session_expiries e JOIN sessions s ON s.id = session_id
     WHERE e.look_at = least(s.idle_expires_at, s.expires_at)`,
  );
  expect(noted.map(({ id }) => id).toSorted()).toEqual(open.map(({ id }) => id).toSorted());
}, 120_000);

const migrationOf = (...statements: string[]): MigrationInterface => ({
  up: async (on) => {
    for (const statement of statements) await on.query(statement);
  },
  down: () => Promise.resolve(),
});
const outside = (...statements: string[]): MigrationInterface => ({
  ...migrationOf(...statements),
  transaction: false,
});

describe('A migration that does not let the release before go on is seen', () => {
  beforeEach(startFirstRelease);

  it.each<[what: string, migration: MigrationInterface, complaint: string]>([
    ['an index', migrationOf('CREATE INDEX ON sessions (ip)'), 'reads all of sessions'],
    ['a check of all rows', migrationOf(`ALTER TABLE users ADD CHECK (email <> '')`), 'reads all of users'],
    [
      'a foreign key',
      migrationOf('ALTER TABLE sessions ADD FOREIGN KEY (revoked_by) REFERENCES users'),
      'reads all of',
    ],
    [
      'a column that must be there',
      migrationOf('ALTER TABLE sessions ALTER ip DROP NOT NULL', 'ALTER TABLE sessions ALTER ip SET NOT NULL'),
      'reads all of sessions',
    ],
    [
      'a value of its own for each row',
      migrationOf('ALTER TABLE sessions ADD note uuid DEFAULT gen_random_uuid()'),
      'writes all of sessions anew',
    ],
    [
      'another type',
      migrationOf('ALTER TABLE sessions ALTER generation TYPE bigint'),
      'makes sessions.generation bigint',
    ],
    [
      'values for all rows at once',
      migrationOf('ALTER TABLE sessions ADD note text', `UPDATE sessions SET note = ''`),
      'changes 5000 rows of sessions',
    ],
    ['a column less', migrationOf('ALTER TABLE users DROP COLUMN name'), 'takes users.name away'],
    ['another name', migrationOf('ALTER TABLE users RENAME name TO full_name'), 'takes users.name away'],
    ['a table less', migrationOf('DROP TABLE audit_events'), 'drops audit_events'],
    [
      'a column that the release before would have to write',
      migrationOf(`ALTER TABLE users ADD note text NOT NULL DEFAULT ''`, 'ALTER TABLE users ALTER note DROP DEFAULT'),
      'requires users.note',
    ],
    ['a lock without an end', outside('ALTER TABLE users ADD note text'), 'outside of a transaction'],
  ])('%s', async (_, migration, complaint) => {
    expect((await complaintsOf(runner, migration)).join('; ')).toContain(complaint);
  });
});

it('A migration that adds, that builds CONCURRENTLY, or that validates apart is not complained of', async () => {
  await startFirstRelease();
  const good = [
    migrationOf(
      `ALTER TABLE sessions ADD note text, ADD place text NOT NULL DEFAULT ''`,
      'CREATE TABLE notes (id uuid)',
    ),
    migrationOf(`ALTER TABLE users ADD CONSTRAINT named CHECK (name <> '') NOT VALID`),
    migrationOf('ALTER TABLE users VALIDATE CONSTRAINT named'),
    outside('CREATE INDEX CONCURRENTLY sessions_ip_idx ON sessions (ip)'),
  ];
  for (const migration of good) expect(await complaintsOf(runner, migration)).toEqual([]);
});
