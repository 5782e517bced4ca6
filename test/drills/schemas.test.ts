import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { migrations } from '../../src/database/migrations/index.js';
import { lockIn } from '../../src/database/schema-scope.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { EventStream } from '../support/event-stream.js';
import { type Instance, spawnInstance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { publishedBy, rotateKeys } from '../support/keys.js';
import { temporaryFolder } from '../support/postgres.js';
import { SECRETS } from '../support/secrets.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
// One of them is a word of SQL.
const SCHEMAS = ['public', 'left_side', 'user'] as const;
const MIGRATION_LOCK = 5_284_201;
const KEYS_LOCK = 5_284_202;

let database: TestDatabase;
// Two of each.
const instances: Instance[] = [];
const inSchema = (schema: string) => {
  const [a, b] = instances.slice(2 * SCHEMAS.indexOf(schema as 'public')).map(({ api }) => api);
  return { a: a!, b: b! };
};

/** What is in a schema, seen by a connection of the test's own. */
async function connectTo(schema: string): Promise<Client> {
  const client = new Client({ connectionString: database.adminUrl });
  client.on('error', () => undefined);
  await client.connect();
  await client.query(`SET search_path = "${schema}"`);
  return client;
}

async function tablesOf(schema: string): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
     AND relkind IN ('r', 'p') ORDER BY 1`,
    [schema],
  );
  return rows.map(({ name }) => name);
}

beforeAll(async () => {
  database = await createDatabase({ isEmpty: true });
  const started = SCHEMAS.flatMap((schema) => [1, 2].map(() => startIn(schema)));
  instances.push(...(await Promise.all(started)));
}, 120_000);

const startIn = (schema: string, url = database.url) =>
  // What is shown here is who hears whom, on a machine that may be busy.
  startInstance({ env: { DATABASE_URL: url, DATABASE_SCHEMA: schema, SESSION_CHECK_TIMEOUT_MS: '20000' } });

afterAll(async () => {
  for (const schema of SCHEMAS) {
    const client = await connectTo(schema);
    const query = async (sql: string, values?: unknown[]) => (await client.query(sql, values)).rows;
    // Sessions of the others are not in it.
    await expectInvariants({ query: query as TestDatabase['query'] }, { hasMissingRows: true });
    await client.end();
  }
  await Promise.all(instances.map((instance) => instance.kill('SIGTERM')));
  await database.drop();
}, 60_000);

it('Services that start together in several schemas of one database each have all their tables in their own', async () => {
  const tables = await tablesOf('public');
  expect(tables).toContain('sessions');
  for (const schema of SCHEMAS) {
    expect(await tablesOf(schema)).toEqual(tables);
    expect(await database.query(`SELECT FROM "${schema}".migrations`)).toHaveLength(migrations.length);
  }
  const env = { PATH: process.env['PATH'], DATABASE_URL: database.url, DATABASE_SCHEMA: 'left_side' };
  const cli = ['node_modules/tsx/dist/cli.mjs', 'node_modules/typeorm/cli.js', 'migration:generate'];
  const check = ['-d', 'ormconfig.ts', '--check', 'src/database/migrations/none'];
  expect((await run(process.execPath, [...cli, ...check], { env })).stdout).toContain('No changes');
}, 60_000);

it('Services in two schemas share neither accounts nor sessions nor tokens', async () => {
  const { credentials, ...left } = await inSchema('left_side').a.signUp();
  const { a, b } = inSchema('user');
  expect((await a.login(credentials)).status).toBe(401);
  const right = (await a.register({ ...credentials, tokenDelivery: 'body' })).body;
  expect(right.user.id).not.toBe(left.user.id);
  expect((await b.me(left.accessToken)).status).toBe(401);
  expect((await b.refresh(left.refreshToken)).status).toBe(401);
  expect((await inSchema('left_side').b.logoutAll(left.refreshToken)).body.revoked).toBe(1);
  expect((await b.me(right.accessToken)).status).toBe(200);
  expect((await b.sessions(right.accessToken)).body.items).toHaveLength(1);
});

it('Streams are notified by the instances of their own schema, and hear nothing of another one', async () => {
  const { a, b } = inSchema('left_side');
  const account = await a.signUp();
  const other = await a.signIn(account.credentials);
  const stream = await EventStream.open(b, account.accessToken);
  expect(stream.comments).toEqual(['ping']);

  const listener = await connectTo('public');
  const heard: string[] = [];
  listener.on('notification', ({ channel }) => heard.push(channel));
  await listener.query(SCHEMAS.map((schema) => `LISTEN latchkey_sessions_${schema}`).join('; '));
  await listener.query('LISTEN latchkey_sessions');
  await a.endSession(account.accessToken, other.session.id);
  await stream.await('session.revoked', other.session.id);
  await until('the notification was heard here too', () => heard.length > 0);
  expect(new Set(heard)).toEqual(new Set(['latchkey_sessions_left_side']));
  stream.close();
  await listener.end();
});

it('A leaked key of one schema is refused by its instances at once, and those of other schemas go on', async () => {
  const [left, right] = [inSchema('left_side'), inSchema('user')];
  const [one, two] = [await left.a.signUp(), await right.a.signUp()];
  const stream = await EventStream.open(left.b, one.accessToken);
  const before = await publishedBy(right.b);
  const env = { DATABASE_SCHEMA: 'left_side' };
  expect((await rotateKeys(database.url, { args: ['--leaked'], env })).code).toBe(0);
  expect((await left.b.me(one.accessToken)).status).toBe(401);
  await until('the stream has ended', () => stream.endedAt !== null);
  expect((await right.b.me(two.accessToken)).status).toBe(200);
  expect(await publishedBy(right.b)).toEqual(before);
}, 60_000);

it('What locks one schema holds up neither a migration nor a change of keys in another', async () => {
  const holder = await connectTo('public');
  const lock = async (schema: string, number: number) =>
    holder.query(`SELECT pg_advisory_lock(${lockIn(schema, number).text})`);
  for (const schema of ['public', 'left_side']) {
    await lock(schema, MIGRATION_LOCK);
    await lock(schema, KEYS_LOCK);
  }
  const env = { DATABASE_SCHEMA: 'user' };
  expect((await rotateKeys(database.url, { env })).code).toBe(0);
  const third = await startIn('third_one');
  expect((await third.api.signUp()).accessToken).toBeTruthy();
  await third.kill('SIGTERM');

  // And it does hold up its own.
  const patience = { DATABASE_STATEMENT_TIMEOUT_MS: '30000' };
  const held = rotateKeys(database.url, { env: { DATABASE_SCHEMA: 'left_side', ...patience } });
  const waiting = () => database.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`);
  await until('it waits', async () => (await waiting()).length > 0);
  await holder.end();
  expect((await held).code).toBe(0);
}, 60_000);

it('Commands work in the schema of their settings', async () => {
  const { credentials } = await inSchema('left_side').a.signUp();
  const folder = temporaryFolder();
  // In the folder of another application, which has no secrets for it.
  const grant = (schema: string) =>
    run(process.execPath, [resolve('dist/bin/admin-grant.js'), credentials.email], {
      cwd: folder,
      env: { PATH: process.env['PATH'], DATABASE_URL: database.url, DATABASE_SCHEMA: schema },
    });
  await expect(grant('user')).rejects.toThrow(/Nobody has registered/);
  await grant('left_side');
  expect(readdirSync(folder)).toEqual([]);
  const { user } = await inSchema('left_side').b.signIn(credentials);
  expect(user.role).toBe('admin');
  const env = { PATH: process.env['PATH'], DATABASE_URL: database.url, DATABASE_SCHEMA: 'fourth' };
  const { stdout } = await run(process.execPath, ['dist/bin/migrate.js'], { env });
  expect(stdout).toContain('Migrations:');
  expect(await tablesOf('fourth')).toEqual(await tablesOf('public'));
}, 60_000);

/** A role of a database of its own, as it is where nothing else was thought of. */
async function createRole() {
  const own = await createDatabase({ isEmpty: true });
  const name = `role_${randomBytes(4).toString('hex')}`;
  await own.query(`CREATE ROLE ${name} LOGIN PASSWORD 'secret-of-a-test'`);
  await own.query(`GRANT ALL ON SCHEMA public TO ${name}`);
  await own.query(`GRANT CREATE ON DATABASE ${new URL(own.url).pathname.slice(1)} TO ${name}`);
  const url = Object.assign(new URL(own.url), { username: name, password: 'secret-of-a-test' }).href;
  const drop = async () => {
    await own.query(`DROP OWNED BY ${name} CASCADE; DROP ROLE ${name}`);
    await own.drop();
  };
  return { name, url, query: own.query.bind(own), drop };
}

async function refusedStart(env: Record<string, string>): Promise<string> {
  const { child, output } = spawnInstance({ env });
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(output()).not.toMatch(/\n\s+at /);
  return output();
}

const migrateIn = (schema: string, url: string) =>
  run(process.execPath, ['dist/bin/migrate.js'], {
    env: { PATH: process.env['PATH'], DATABASE_URL: url, DATABASE_SCHEMA: schema },
  });

it('A service in public keeps its accounts and keys when its role gets a schema of its name with another service', async () => {
  const role = await createRole();
  const service = await startIn('public', role.url);
  const { credentials, accessToken, refreshToken } = await service.api.signUp();
  const published = await publishedBy(service.api);

  await role.query(`CREATE SCHEMA ${role.name} AUTHORIZATION ${role.name}`);
  await migrateIn(role.name, role.url);
  const beside = await startIn(role.name, role.url);
  const stranger = await beside.api.signUp();
  expect((await service.api.login(stranger.credentials)).status).toBe(401);
  expect((await service.api.me(accessToken)).status).toBe(200);
  expect((await service.api.refresh(refreshToken)).status).toBe(200);
  await service.kill('SIGTERM');

  const again = await startIn('public', role.url);
  expect((await again.api.signIn(credentials)).accessToken).toBeTruthy();
  expect(await publishedBy(again.api)).toEqual(published);
  expect(again.output()).toContain(`set DATABASE_SCHEMA=${role.name}`);
  expect(beside.output()).not.toContain('set DATABASE_SCHEMA');
  await Promise.all([again.kill('SIGTERM'), beside.kill('SIGTERM')]);
  await role.drop();
}, 90_000);

it.each(['the schema of its name', 'its search_path'])(
  'Tables that a service without DATABASE_SCHEMA found by %s are not made a second time: the start is refused, and says what to set',
  async (way) => {
    const role = await createRole();
    const schema = way === 'its search_path' ? 'elsewhere' : role.name;
    await role.query(`CREATE SCHEMA ${schema} AUTHORIZATION ${role.name}`);
    await migrateIn(schema, role.url);
    if (schema !== role.name) await role.query(`ALTER ROLE ${role.name} SET search_path = ${schema}, public`);

    expect(await refusedStart({ DATABASE_URL: role.url })).toContain(`Set DATABASE_SCHEMA=${schema}`);
    await expect(migrateIn('public', role.url)).rejects.toThrow(`Set DATABASE_SCHEMA=${schema}`);
    const env = { PATH: process.env['PATH'], ...SECRETS, DATABASE_URL: role.url };
    await expect(run(process.execPath, ['dist/bin/admin-grant.js', 'ada@example.com'], { env })).rejects.toThrow(
      `Set DATABASE_SCHEMA=${schema}`,
    );
    expect(await role.query(`SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toEqual([]);

    const instance = await startIn(schema, role.url);
    expect((await instance.api.signUp()).accessToken).toBeTruthy();
    await instance.kill('SIGTERM');
    await role.drop();
  },
  60_000,
);

it('A new schema with the name of the role is refused, since other applications of the role would look there', async () => {
  const role = await createRole();
  const output = await refusedStart({ DATABASE_URL: role.url, DATABASE_SCHEMA: role.name });
  expect(output).toContain(`DATABASE_SCHEMA is ${role.name}, the name of the role`);
  expect(output).toContain(`CREATE SCHEMA "${role.name}"`);
  expect(await role.query(`SELECT FROM pg_namespace WHERE nspname = '${role.name}'`)).toEqual([]);
  await role.drop();
}, 60_000);

it('A command that finds no tables names the database and the schema, and not the password', async () => {
  const role = await createRole();
  const env = { PATH: process.env['PATH'], ...SECRETS, DATABASE_URL: role.url };
  const { host, pathname } = new URL(role.url);
  const args = ['dist/service-clients/client-add.js', 'orders-api', '--scope', 'introspect'];
  const error: { stderr: string } = await run(process.execPath, args, { env }).catch((e) => e);
  expect(error.stderr).toContain(`The database ${pathname.slice(1)} at ${host} (schema public) lacks tables`);
  expect(error.stderr).not.toContain('secret-of-a-test');

  const { DATABASE_URL: _, ...embedded } = { ...env, DATA_DIR: temporaryFolder() };
  const inFolder: { stderr: string } = await run(process.execPath, args, { env: embedded }).catch((e) => e);
  expect(inFolder.stderr).toContain(`The database in ${embedded.DATA_DIR} (schema public) lacks tables`);
  await role.drop();
}, 60_000);

it('A role that may not make the schema is refused with what its owner has to do, after which it starts', async () => {
  const name = `role_${Date.now()}`;
  await database.query(`CREATE ROLE ${name} LOGIN PASSWORD 'secret-of-a-test'`);
  const url = Object.assign(new URL(database.url), { username: name, password: 'secret-of-a-test' }).href;
  const output = await refusedStart({ DATABASE_URL: url, DATABASE_SCHEMA: 'of_a_role' });
  expect(output).toContain('CREATE SCHEMA of_a_role AUTHORIZATION');

  await database.query(`CREATE SCHEMA of_a_role AUTHORIZATION ${name}`);
  const instance = await startIn('of_a_role', url);
  expect((await instance.api.signUp()).accessToken).toBeTruthy();
  await instance.kill('SIGTERM');
  await database.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
}, 60_000);
