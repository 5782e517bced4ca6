import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { DEFAULT_SCHEMA } from '../../src/config/database.config.js';
import { loadConfig } from '../../src/config/load-config.js';
import { databaseOptions } from '../../src/database/database-options.js';
import { grantRights } from '../../src/database/roles/grant-rights.js';
import { RIGHTS } from '../../src/database/roles/rights.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { spawnInstance, startInstance } from '../support/instance.js';
import { runMigrateWith } from '../support/migrate.js';
import { settleRestored } from '../support/restored.js';
import { createRole, sendAs, type TestRole } from '../support/roles.js';
import { SECRETS } from '../support/secrets.js';

// The whole suite runs as the role that serves. Here is what that one may not do, and how it gets what it may.
const GRANTS = 'src/database/roles/grants.sql';
// Run by PostgreSQL where a table changes: nobody calls them.
const TRIGGERS = [
  'deliver_audit_events',
  'disable_streams_of_ended_client',
  'note_expiries_of_deleted_user',
  'note_session_expiries',
];
const RUNTIME = process.env['TEST_RUNTIME']!;
const PRODUCTION = {
  NODE_ENV: 'production',
  LOG_LEVEL: 'info',
  JWT_SECRET: 'Nq8w-2Zk4-vB7x-Lp0s-Td5h-Gm3c-Yr6f-Ja1e',
  REFRESH_TOKEN_SECRET: 'Xc5t-8Wm1-hQ2j-Rk9d-Fv6n-Bs4g-Zp7l-Eu0y',
};

let database: TestDatabase;
afterEach(() => database.drop());

const ownerOptions = () => databaseOptions(loadConfig({ ...SECRETS, DATABASE_URL: database.ownerUrl }));

const partsOf = async () =>
  (await database.query<{ name: string }>('SELECT part::text AS name FROM audit_events_parts() ORDER BY 1')).map(
    ({ name }) => name,
  );

/** What the catalog says that a role was given, in words. */
async function rightsOf(role: string): Promise<string[]> {
  const rows = await database.query<{ text: string }>(
    `SELECT concat_ws(' ', privilege_type, 'on', name, CASE WHEN is_grantable THEN 'to give' END) AS text
     FROM (
       SELECT relname::text AS name, relacl AS acl FROM pg_class
       UNION ALL SELECT relname || '.' || attname, attacl FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
       UNION ALL SELECT proname, proacl FROM pg_proc
       UNION ALL SELECT nspname, nspacl FROM pg_namespace
       UNION ALL SELECT datname, datacl FROM pg_database WHERE datname = current_database()
     ) objects, aclexplode(acl)
     WHERE grantee = $1::regrole`,
    [role],
  );
  return rows.map(({ text }) => text).toSorted();
}

const inWords = ({ privilege, object, column }: (typeof RIGHTS)[number]) =>
  `${privilege} on ${object}${column === null ? '' : `.${column}`}`;

/** Those of the file, and to read the parts of the trail. */
const rightsOfTheFile = async () =>
  ['USAGE on public', ...RIGHTS.map(inWords), ...(await partsOf()).map((name) => `SELECT on ${name}`)].toSorted();

async function refusedStart(env: Record<string, string>): Promise<string> {
  const { child, output } = spawnInstance({ env });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(output()).not.toMatch(/\n\s+at |of-a-role-in-a-test/);
  return output();
}

describe('what the role that serves may do', () => {
  beforeEach(async () => {
    database = await createDatabase();
  });

  it('The role that serves has the rights of the file and no others, and owns nothing', async () => {
    expect(RIGHTS.length).toBeGreaterThan(50);
    expect(await rightsOf(RUNTIME)).toEqual(await rightsOfTheFile());
    const asked = await database.query(
      `SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
         (SELECT count(*) FROM pg_auth_members WHERE member = r.oid)::integer AS memberships,
         (SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid AND deptype = 'o')::integer
           AS owned
       FROM pg_roles r WHERE rolname = $1`,
      [RUNTIME],
    );
    const no = {
      rolsuper: false,
      rolcreatedb: false,
      rolcreaterole: false,
      rolreplication: false,
      rolbypassrls: false,
    };
    expect(asked).toEqual([{ ...no, memberships: 0, owned: 0 }]);
  });

  it('A part of the audit trail that comes later gives the role that serves no more than to read it', async () => {
    await sendAs(database.url, 'SELECT audit_events_make_parts(24)');
    expect((await partsOf()).length).toBeGreaterThan(20);
    expect(await rightsOf(RUNTIME)).toEqual(await rightsOfTheFile());
  });

  it('What a role was given before beyond the file is taken, as often as that is asked for', async () => {
    const role = await createRole(database);
    await sendAs(
      database.ownerUrl,
      `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role.name};
       GRANT UPDATE (id), INSERT (at) ON audit_events TO ${role.name};
       GRANT CREATE ON SCHEMA public TO ${role.name}`,
    );
    for (let round = 0; round < 2; round++) {
      expect(await grantRights(ownerOptions(), role.name)).toBe(true);
      expect(await rightsOf(role.name)).toEqual(await rightsOfTheFile());
    }
    await role.drop();
  });

  it('A role that owns the tables is left as it is', async () => {
    for (const role of [process.env['TEST_OWNER']!, new URL(database.adminUrl).username]) {
      expect(await grantRights(ownerOptions(), role)).toBe(false);
    }
    const file = readFileSync(GRANTS, 'utf8').replaceAll(':"role"', process.env['TEST_OWNER']!);
    const asOwner = file.replaceAll(`:'role'`, `'${process.env['TEST_OWNER']}'`).replaceAll(':"schema"', 'public');
    await expect(sendAs(database.ownerUrl, asOwner)).rejects.toThrow('owns the tables');
  });

  it('The file grants nothing that no statement of the service needs', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.startsWith('database/migrations'))
      .map((path) => readFileSync(join('src', path), 'utf8'))
      .join('\n');
    // Rows that retention deletes are locked first. Rate limits are written by a package.
    const [, ofClients = ''] = /for \(const table of \[([^\]]*)\]/.exec(sources) ?? [];
    const isCleaned = (table: string) =>
      new RegExp(`retention\\.add\\(\\{\\s+table: '${table}'`).test(sources) || ofClients.includes(`'${table}'`);
    const unused = RIGHTS.filter(({ privilege, object }) => {
      const needs: Record<string, RegExp> = {
        SELECT: new RegExp(`(FROM|JOIN) ${object}\\b|tableName: '${object}'`),
        INSERT: new RegExp(`INSERT INTO ${object}\\b|tableName: '${object}'`),
        UPDATE: new RegExp(`UPDATE ${object}\\b|INSERT INTO ${object} [^;]*DO UPDATE|tableName: '${object}'`),
        DELETE: new RegExp(`DELETE FROM ${object}\\b`),
        EXECUTE: new RegExp(`${object}\\(`),
      };
      const isKept = ['UPDATE', 'DELETE'].includes(privilege) && isCleaned(object);
      return !needs[privilege]?.test(sources) && !isKept;
    });
    expect(unused.map(inWords)).toEqual([]);
  });
});

describe('what it may not', () => {
  beforeEach(async () => {
    database = await createDatabase();
    await database.query(
      `INSERT INTO audit_events (type, outcome, at) VALUES
         ('login_failed', 'failure', now()), ('login_failed', 'failure', now() - interval '400 days')`,
    );
  });

  const linesOf = () => database.query('SELECT * FROM audit_events ORDER BY at');

  it('The role that serves may neither change nor remove a line of the audit trail, nor what protects it, in any part', async () => {
    const before = await linesOf();
    const client = new Client({ connectionString: database.url });
    client.on('error', () => undefined);
    await client.connect();
    for (const table of ['audit_events', ...(await partsOf())]) {
      for (const statement of [
        `UPDATE ${table} SET outcome = 'success'`,
        `DELETE FROM ${table}`,
        `SET latchkey.audit_retention_days = '30'; DELETE FROM ${table}`,
        `SELECT FROM ${table} FOR UPDATE`,
        `TRUNCATE ${table}`,
        `DROP TABLE ${table} CASCADE`,
        `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
        `ALTER TABLE ${table} ADD COLUMN more text`,
        `ALTER TABLE ${table} OWNER TO CURRENT_USER`,
        `CREATE TRIGGER more BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
        `CREATE RULE more AS ON INSERT TO ${table} DO INSTEAD NOTHING`,
        `CREATE INDEX ON ${table} (ip)`,
        `GRANT UPDATE ON ${table} TO CURRENT_USER WITH GRANT OPTION`,
        ...(table === 'audit_events'
          ? []
          : [
              `INSERT INTO ${table} (type, outcome) VALUES ('login_failed', 'failure')`,
              `ALTER TABLE audit_events DETACH PARTITION ${table}`,
              `SELECT audit_events_copy_rights('users', '${table}')`,
              `SELECT audit_events_add_part('${table}_too', 'DEFAULT')`,
            ]),
      ]) {
        const outcome = await client.query(statement).then(
          () => 'done',
          (error: { code: string }) => error.code,
        );
        // A GRANT of what one has not is a warning where one has something else.
        expect([statement, outcome]).toEqual([statement, statement.startsWith('GRANT') ? expect.anything() : '42501']);
      }
    }
    await client.end();
    expect(await linesOf()).toEqual(before);
    expect(await rightsOf(RUNTIME)).toEqual(await rightsOfTheFile());
  });

  it('The role that serves may make nothing and become nobody else', async () => {
    for (const statement of [
      'CREATE TABLE notes ()',
      'CREATE SCHEMA notes',
      'CREATE VIEW notes AS SELECT FROM audit_events',
      `CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'epoch'::timestamptz $$`,
      'ALTER TABLE users ADD COLUMN note text',
      'ALTER TABLE sessions DISABLE TRIGGER sessions_stay_revoked',
      'DROP TRIGGER audit_events_append_only ON audit_events',
      'DROP FUNCTION audit_events_are_append_only CASCADE',
      'ALTER FUNCTION audit_events_are_append_only RESET ALL',
      `CREATE OR REPLACE FUNCTION audit_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
      'TRUNCATE sessions',
      'INSERT INTO migrations (timestamp, name) VALUES (1, $$x$$)',
      'DELETE FROM database_history',
      'UPDATE signing_keys SET signs_from = now()',
      `SET session_replication_role = 'replica'`,
      `SET ROLE ${process.env['TEST_OWNER']}`,
      `COPY audit_events TO PROGRAM 'cat'`,
    ]) {
      await expect(sendAs(database.url, statement).catch((error) => [statement, error.code])).resolves.toEqual([
        statement,
        '42501',
      ]);
    }
  });

  it('Functions with the rights of the owner fix what they find, are not for everybody, and remove nothing that is not over', async () => {
    const functions = await database.query<{ name: string; path: string; everybody: boolean; owner: string }>(
      `SELECT proname AS name, (SELECT c FROM unnest(proconfig) c WHERE c LIKE 'search_path=%') AS path,
         proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0) AS everybody, proowner::regrole::text AS owner
       FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1`,
    );
    const [path, everybody, owner] = ['search_path=public, pg_temp', false, process.env['TEST_OWNER']];
    expect(functions).toEqual(
      [...RIGHTS.filter(({ isOfTable }) => !isOfTable).map(({ object }) => object), ...TRIGGERS]
        .toSorted()
        .map((name) => ({ name, path, everybody, owner })),
    );

    const recent = () => database.query(`SELECT id FROM audit_events WHERE at > now() - interval '30 days'`);
    const before = await recent();
    await sendAs(
      database.url,
      'SELECT audit_events_make_parts(6), audit_events_drop_part(0), audit_events_delete_rows(0, NULL, 1000)',
    );
    expect(await recent()).toEqual(before);
    // A table of its own with that name is not what the functions see.
    await sendAs(
      database.url,
      `CREATE TEMP TABLE audit_events_default AS SELECT FROM generate_series(1, 3);
       DO $$ BEGIN ASSERT audit_events_rows_outside_parts() = 0; END $$`,
    );
  });

  it('The command for restored backups needs no more than the role that serves has', async () => {
    const instance = await startInstance({ env: { DATABASE_URL: database.url } });
    await instance.api.signUp();
    const { code, output } = await settleRestored(database.url, ['--yes', '--withdraw-passwords']);
    expect([code, output]).toEqual([0, expect.stringContaining('Ended 1 session.')]);
    // By what PostgreSQL says to every role.
    expect(
      await database.query('SELECT cause FROM database_history WHERE system_identifier IS NULL OR timeline IS NULL'),
    ).toEqual([]);
    await instance.kill('SIGTERM');
  });
});

describe('the role that migrates', () => {
  let owner: TestRole;
  let runtime: TestRole;

  beforeEach(async () => {
    database = await createDatabase({ isEmpty: true });
    [owner, runtime] = [await createRole(database), await createRole(database)];
    await database.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} OWNER TO ${owner.name}`);
  });
  afterEach(async () => {
    await database.query(`REASSIGN OWNED BY ${owner.name} TO CURRENT_USER`);
    await owner.drop();
    await runtime.drop();
  });

  const serves = async (env: Record<string, string>) => {
    const instance = await startInstance({ env });
    expect((await instance.api.signUp()).accessToken).toBeTruthy();
    const users = await database.query<{ role: string }>(
      `SELECT DISTINCT usename AS role FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'latchkey'`,
    );
    await instance.kill('SIGTERM');
    return { roles: users.map(({ role }) => role), output: instance.output() };
  };

  it('A start whose role may not migrate, read, or do all that it must, says what to run', async () => {
    const MIGRATE =
      /run "node dist\/bin\/migrate.js", with the URL of the owner of the schema in MIGRATION_DATABASE_URL/i;
    const env = { DATABASE_URL: runtime.url };
    const behind = await refusedStart(env);
    expect(behind).toMatch(
      /lacks migrations that the role in DATABASE_URL may not make .*CreateUsersSessionsAndAudit1795000000000/,
    );
    expect(behind).toMatch(MIGRATE);

    await runMigrateWith({ MIGRATION_DATABASE_URL: owner.url });
    const unread = await refusedStart(env);
    expect(unread).toContain('The role in DATABASE_URL may not read the table "migrations"');
    expect(unread).toMatch(MIGRATE);

    await sendAs(owner.url, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${runtime.name}`);
    const lacking = await refusedStart(env);
    expect(lacking).toContain(
      'lacks rights that this release needs: INSERT, UPDATE, DELETE on users; INSERT, UPDATE, DELETE on sessions;',
    );
    expect(lacking).toMatch(MIGRATE);

    const both = { ...env, MIGRATION_DATABASE_URL: owner.url };
    expect(await runMigrateWith(both)).toContain(`The role ${runtime.name} has the rights that it needs to serve.`);
    expect((await serves(env)).roles).toEqual([runtime.name]);
    expect(await rightsOf(runtime.name)).toEqual(await rightsOfTheFile());
  }, 60_000);

  it('A start with both URLs migrates as the owner, gives the other role its rights, and serves as that one', async () => {
    const env = { DATABASE_URL: runtime.url, MIGRATION_DATABASE_URL: owner.url };
    expect((await serves(env)).roles).toEqual([runtime.name]);
    expect(
      await database.query(
        `SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')`,
      ),
    ).toEqual([{ owner: owner.name }]);
    expect(await rightsOf(runtime.name)).toEqual(await rightsOfTheFile());

    // As by a migration of the next release.
    await sendAs(owner.url, `REVOKE ALL ON signing_keys FROM ${runtime.name}`);
    expect((await serves(env)).roles).toEqual([runtime.name]);
  }, 60_000);

  it('Where the role that migrates cannot be used, a start fails, though the other one could', async () => {
    const wrong = Object.assign(new URL(owner.url), { pathname: '/no_such_database' }).href;
    const output = await refusedStart({ DATABASE_URL: owner.url, MIGRATION_DATABASE_URL: wrong });
    expect(output).toContain('The database no_such_database at');
    expect(output).toContain('Check MIGRATION_DATABASE_URL.');
    // The role exists, and owns nothing.
    expect(await refusedStart({ DATABASE_URL: owner.url, MIGRATION_DATABASE_URL: runtime.url })).toContain(
      'migrations that the role in MIGRATION_DATABASE_URL may not make',
    );
    expect(await database.query(`SELECT FROM pg_class WHERE relname = 'users'`)).toEqual([]);
  }, 60_000);

  it('With one URL alone its role migrates and serves, and in production a warning says what that means', async () => {
    const warning = 'The role in DATABASE_URL owns the tables, or is a superuser';
    const alone = await serves({ ...PRODUCTION, DATABASE_URL: owner.url });
    expect(alone.roles).toEqual([owner.name]);
    expect(alone.output.split(warning)).toHaveLength(2);
    expect((await serves({ ...PRODUCTION, DATABASE_URL: database.adminUrl })).output).toContain(warning);
    expect((await serves({ DATABASE_URL: owner.url })).output).not.toContain(warning);

    await grantRights(databaseOptions(loadConfig({ ...SECRETS, DATABASE_URL: owner.url })), runtime.name);
    expect((await serves({ ...PRODUCTION, DATABASE_URL: runtime.url })).output).not.toContain(warning);
  }, 60_000);

  it('In a schema of its own the two roles do as in public', async () => {
    const env = { DATABASE_URL: runtime.url, MIGRATION_DATABASE_URL: owner.url, DATABASE_SCHEMA: 'auth' };
    await runMigrateWith(env);
    expect((await serves({ ...env, MIGRATION_DATABASE_URL: '' })).roles).toEqual([runtime.name]);
    await expect(sendAs(runtime.url, 'CREATE TABLE auth.notes ()')).rejects.toMatchObject({ code: '42501' });
    await expect(sendAs(runtime.url, 'DELETE FROM auth.audit_events')).rejects.toMatchObject({ code: '42501' });
  }, 60_000);

  const psql = [join(process.env['POSTGRES_BIN'] ?? '', 'psql'), '/usr/bin/psql'].find((path) => existsSync(path));
  (psql ? it : it.skip)(
    'psql takes the two files as they are',
    async () => {
      const run = (url: string, file: string, variables: Record<string, string>) => {
        const args = Object.entries(variables).flatMap(([name, value]) => ['-v', `${name}=${value}`]);
        execFileSync(psql!, [url, '-X', '-q', '-v', 'ON_ERROR_STOP=1', ...args, '-f', file], { stdio: 'pipe' });
      };
      const role = `${runtime.name}-by "psql"`;
      for (const password of ['first', `of-a-role-in-a-test`]) {
        run(database.adminUrl, 'src/database/roles/create-role.sql', { role, password });
      }
      await runMigrateWith({ MIGRATION_DATABASE_URL: owner.url });
      run(owner.url, GRANTS, { role, schema: DEFAULT_SCHEMA });
      const url = Object.assign(new URL(runtime.url), { username: role }).href;
      expect((await serves({ DATABASE_URL: url })).roles).toEqual([role]);
      await database.query(`DROP OWNED BY "${role.replaceAll('"', '""')}"; DROP ROLE "${role.replaceAll('"', '""')}"`);
    },
    60_000,
  );
});
