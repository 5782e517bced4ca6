import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client } from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import { loadConfig } from '../../src/config/load-config.js';
import { databaseOptions } from '../../src/database/database-options.js';
import { migrate } from '../../src/database/migrate.js';
import { AddFunctionsForPartsOfTheAuditTrail1795620000001 } from '../../src/database/migrations/1795620000001-add-functions-for-parts-of-the-audit-trail.js';
import { PartTheAuditTrailByMonth1795620000002 } from '../../src/database/migrations/1795620000002-part-the-audit-trail-by-month.js';
import { PASSWORD, type Api, someone } from '../support/api.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { runMigrate } from '../support/migrate.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';

// More than is read while the table is locked.
const LINES = 120_000;
const CONSTRAINT = 'audit_events_end';

let database: TestDatabase;
const instances: Instance[] = [];

const options = () => databaseOptions(loadConfig({ ...SECRETS, DATABASE_URL: database.ownerUrl }));

const isParted = async () =>
  (await database.query(`SELECT FROM pg_class WHERE oid = 'audit_events'::regclass AND relkind = 'p'`)).length === 1;

const countOf = async (where: string) =>
  (await database.query<{ count: number }>(`SELECT count(*)::integer FROM audit_events WHERE ${where}`))[0]!.count;

beforeEach(async () => {
  database = await createDatabase();
});

/** Takes back migrations, and leaves those that came later: the instances that run know them. */
async function revert(...migrations: (MigrationInterface & { readonly name: string })[]): Promise<void> {
  const dataSource = await new DataSource({ ...options(), entities: [] }).initialize();
  const runner = dataSource.createQueryRunner();
  for (const migration of migrations) {
    await runner.startTransaction();
    await migration.down(runner);
    await runner.query('DELETE FROM migrations WHERE name = $1', [migration.name]);
    await runner.commitTransaction();
  }
  await dataSource.destroy();
}

/** Makes the trail that of the release before, with many lines from a year. */
async function takeBack(): Promise<void> {
  await revert(new PartTheAuditTrailByMonth1795620000002());
  await database.query(
    `INSERT INTO audit_events (type, outcome, at, user_id, ip, user_agent)
     SELECT 'login_failed', 'failure', now() - make_interval(mins => 4 * (${LINES} - i)), gen_random_uuid(), '192.0.2.1', 'Old/1.0'
     FROM generate_series(1, ${LINES}) i`,
  );
  await database.query('VACUUM ANALYZE audit_events');
}

afterEach(async () => {
  await Promise.all(instances.splice(0).map((instance) => instance.kill('SIGTERM')));
  await database.drop();
});

/** A transaction that stays open. */
async function open(statement: string): Promise<Client> {
  const client = new Client({ connectionString: database.adminUrl });
  await client.connect();
  await client.query(`BEGIN; ${statement}`);
  return client;
}

/** One who reads the trail: what needs the table for itself waits until that is over. */
const openReader = () => open('SELECT count(*) FROM audit_events');

/** Two instances, which lose what waits for a lock for a second. */
async function startTwo(): Promise<Api[]> {
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`ALTER DATABASE ${name} SET lock_timeout = '1s'`);
  const env = { DATABASE_URL: database.url };
  instances.push(...(await Promise.all([1, 2].map(() => startInstance({ env })))));
  return instances.map(({ api }) => api);
}

/** Signs in, refreshes, reads and logs out, again and again. Counts what the trail must have of it. */
function traffic(apis: readonly Api[]) {
  const written = { session_created: 0, session_refreshed: 0, session_revoked: 0 };
  const statuses: Record<string, number> = {};
  let isOver = false;
  const seen = <T extends { status: number }>(what: string, answer: T): T => {
    statuses[`${what} ${answer.status}`] = (statuses[`${what} ${answer.status}`] ?? 0) + 1;
    return answer;
  };
  const run = async (api: Api, other: Api) => {
    const credentials = someone();
    const { user } = seen('register', await api.register(credentials)).body;
    await database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [user.id]);
    written.session_created++;
    while (!isOver) {
      const { body } = seen('login', await api.login(credentials));
      written.session_created++;
      const refreshed = seen('refresh', await other.refresh(body.refreshToken));
      written.session_refreshed++;
      const bearer = refreshed.body.accessToken;
      seen('history', await api.call('GET', '/sessions/history', { bearer }));
      seen('search', await other.call('GET', `/admin/audit?userId=${user.id}`, { bearer }));
      seen('newest', await api.call('GET', '/admin/audit', { bearer }));
      seen('logout', await other.logout(refreshed.body.refreshToken));
      written.session_revoked++;
    }
  };
  const [a, b] = [apis[0]!, apis[1]!];
  const running = Promise.all([run(a, b), run(b, a), run(a, b)]);
  return {
    statuses,
    written,
    requests: () => Object.values(statuses).reduce((sum, count) => sum + count, 0),
    async stop() {
      isOver = true;
      await running;
    },
  };
}

it('A trail of many lines gets its parts under live traffic: no request fails or waits for a second, and no line is lost', async () => {
  const apis = await startTwo();
  await takeBack();
  const live = traffic(apis);
  await until('there is traffic, whose statements are prepared', () => live.requests() > 100, 60);
  const reader = await openReader();
  const migrating = migrate(options());
  // What needs the table for itself is refused it, and requests pass meanwhile.
  await until('the index is there', async () => {
    const [index] = await database.query(
      `SELECT FROM pg_index WHERE indexrelid = to_regclass('audit_events_at_id_key') AND indisvalid`,
    );
    return index;
  });
  const before = live.requests();
  await until('requests pass', () => live.requests() > before + 60, 60);
  expect(await isParted()).toBe(false);
  await reader.end();
  await migrating;
  expect(await isParted()).toBe(true);
  const after = live.requests();
  await until('requests pass afterwards', () => live.requests() > after + 60, 60);
  await live.stop();

  expect(Object.keys(live.statuses).toSorted()).toEqual([
    'history 200',
    'login 200',
    'logout 204',
    'newest 200',
    'refresh 200',
    'register 201',
    'search 200',
  ]);
  for (const [type, count] of Object.entries(live.written)) {
    expect([type, await countOf(`type = '${type}' AND outcome = 'success'`)]).toEqual([type, count]);
  }
  expect(await countOf(`user_agent = 'Old/1.0'`)).toBe(LINES);
  await expectInvariants(database);

  // Where all that was proved to end before, and no sooner than in four weeks.
  const [old] = await database.query<{ isFar: boolean; isMonth: boolean }>(
    `SELECT ends_at > now() + interval '27 days' AS "isFar", ends_at = date_trunc('month', ends_at, 'UTC') AS "isMonth"
     FROM audit_events_parts() WHERE part = 'audit_events_old'::regclass`,
  );
  expect(old).toEqual({ isFar: true, isMonth: true });
}, 180_000);

it('The retention of a release before the parts deletes no line of another part that is in the same place', async () => {
  await takeBack();
  await migrate(options());
  // Old lines in one part, young ones in the same places of another.
  await database.query(
    `INSERT INTO audit_events (type, outcome, at, reason)
     SELECT 'login_failed', 'failure', ends_at + interval '1 day', 'young' FROM audit_events_parts(), generate_series(1, 500)
     WHERE part = 'audit_events_old'::regclass`,
  );
  const deletion = `SET latchkey.audit_retention_days = '100';
    DELETE FROM audit_events WHERE ctid = ANY(ARRAY(SELECT ctid FROM audit_events WHERE at < now() - interval '100 days' LIMIT 120000))`;
  await expect(database.query(deletion)).rejects.toThrow('append-only');
  expect(await countOf(`reason = 'young'`)).toBe(500);
}, 60_000);

describe('interrupted', () => {
  beforeEach(takeBack, 60_000);

  const leftovers = async () => {
    const [row] = await database.query<{ index: boolean; constraint: boolean }>(
      `SELECT to_regclass('audit_events_at_id_key') IS NOT NULL AS index,
         EXISTS (SELECT FROM pg_constraint WHERE conname = '${CONSTRAINT}') AS constraint`,
    );
    return row!;
  };

  async function killMigration(when: string, isThere: () => Promise<boolean>): Promise<void> {
    const child = spawn(process.execPath, ['dist/bin/migrate.js'], {
      env: { PATH: process.env['PATH'], DATABASE_URL: database.ownerUrl },
    });
    const gone = once(child, 'exit');
    await until(when, isThere);
    child.kill('SIGKILL');
    expect(await gone).toEqual([null, 'SIGKILL']);
  }

  const finish = async () => {
    expect(await runMigrate(database.ownerUrl)).toContain('PartTheAuditTrailByMonth');
    expect(await isParted()).toBe(true);
    expect(await countOf(`user_agent = 'Old/1.0'`)).toBe(LINES);
    expect(await leftovers()).toEqual({ index: false, constraint: false });
    await expect(database.query('TRUNCATE audit_events_old')).rejects.toThrow('append-only');
  };

  const writes = async () => {
    await database.query(`INSERT INTO audit_events (type, outcome) VALUES ('login_failed', 'failure')`);
    await expect(database.query('DELETE FROM audit_events')).rejects.toThrow('append-only');
  };

  it('A migration that is killed before it has proved anything leaves a trail in service, and the next one finishes', async () => {
    const reader = await openReader();
    await killMigration('it waits for the table', async () => (await leftovers()).index);
    await reader.end();
    await writes();
    await finish();
  }, 60_000);

  it('A migration that is killed before it takes the table leaves a trail in service, and the next one finishes', async () => {
    // Until this is over the name of the new table is in use, and nothing before needs it.
    const holder = await open('CREATE TABLE audit_events_by_month ()');
    await killMigration('the end is proved', async () => (await leftovers()).constraint);
    await holder.end();
    expect(await isParted()).toBe(false);
    await writes();
    await finish();
  }, 60_000);

  it('A migration that is killed after its work and before it is recorded is recorded by the next one', async () => {
    await migrate(options());
    const [last] = await database.query<{ name: string }>(
      `DELETE FROM migrations WHERE name LIKE 'PartTheAuditTrail%' RETURNING name`,
    );
    expect(await runMigrate(database.ownerUrl)).toContain(last!.name);
    expect(await countOf('true')).toBe(LINES);
  }, 60_000);

  it('What an attempt left weeks ago is replaced: an index that was not finished, and an end that is near', async () => {
    const ends = new Date(Date.now() + 2 * 86_400_000).toISOString();
    await database.query(`ALTER TABLE audit_events ADD CONSTRAINT ${CONSTRAINT} CHECK (at < '${ends}') NOT VALID`);
    await database.query('CREATE UNIQUE INDEX audit_events_at_id_key ON audit_events (at, id)');
    await database.query(
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'audit_events_at_id_key'::regclass`,
    );
    await finish();
    const [old] = await database.query<{ ends: Date }>(
      `SELECT ends_at AS ends FROM audit_events_parts() WHERE part = 'audit_events_old'::regclass`,
    );
    expect(old!.ends.getTime()).toBeGreaterThan(Date.now() + 27 * 86_400_000);
  }, 60_000);
});

it('Rights of other roles are carried over: to read a part, and to make and drop parts for those who may write and delete', async () => {
  await takeBack();
  const role = `${new URL(database.url).pathname.slice(1)}_role`;
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
  await database.query(
    `GRANT SELECT, INSERT ON audit_events TO ${role}; GRANT SELECT ON audit_events TO PUBLIC;
     ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ${role}`,
  );
  await revert(new AddFunctionsForPartsOfTheAuditTrail1795620000001());
  await migrate(options());
  const may = async (right: string, table: string) =>
    (await database.query<{ may: boolean }>(`SELECT has_table_privilege($1, $2, $3) AS may`, [role, table, right]))[0]!
      .may;
  const parts = await database.query<{ name: string }>('SELECT part::text AS name FROM audit_events_parts()');
  for (const { name } of [{ name: 'audit_events' }, ...parts]) {
    const rights = [];
    for (const right of ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) {
      if (await may(right, name)) rights.push(right);
    }
    expect([name, rights]).toEqual([name, name === 'audit_events' ? ['SELECT', 'INSERT'] : ['SELECT']]);
  }
  const calls = await database.query<{ name: string; may: boolean }>(
    `SELECT proname AS name, has_function_privilege($1, oid, 'EXECUTE') AS may FROM pg_proc
     WHERE proname LIKE 'audit_events_%' AND prorettype <> 'trigger'::regtype ORDER BY 1`,
    [role],
  );
  expect(calls.filter(({ may: isGranted }) => isGranted).map(({ name }) => name)).toEqual([
    'audit_events_make_parts',
    'audit_events_parts',
    'audit_events_rows_outside_parts',
  ]);
  await database.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
}, 60_000);
