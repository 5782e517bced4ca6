import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { Client } from 'pg';
import { type Answer, PASSWORD, someone } from '../support/api.js';
import { basic } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, spawnInstance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { Mailbox, SUBJECTS } from '../support/mailbox.js';
import { runMigrate } from '../support/migrate.js';

// One role owns the schema, the other serves: with the very statements of src/process/README.md.
const suffix = randomBytes(4).toString('hex');
const OWNER = `latchkey_owner_${suffix}`;
const RUNTIME = `latchkey_runtime_${suffix}`;
const [, grants = ''] =
  /```sql\n([^]*?latchkey_runtime[^]*?)```/.exec(readFileSync('src/process/README.md', 'utf8')) ?? [];

let database: TestDatabase;
let ownerUrl: string;
let runtimeUrl: string;
let mailbox: Mailbox;

beforeAll(async () => {
  database = await createDatabase({ isEmpty: true });
  mailbox = await Mailbox.open();
  const urlOf = (role: string) => Object.assign(new URL(database.url), { username: role, password: PASSWORD }).href;
  [ownerUrl, runtimeUrl] = [urlOf(OWNER), urlOf(RUNTIME)];
  for (const role of [OWNER, RUNTIME]) {
    await database.query(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
  }
  await database.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} OWNER TO ${OWNER}`);
}, 60_000);

afterAll(async () => {
  await mailbox.stop();
  await database.query(`DROP OWNED BY ${RUNTIME}`);
  await database.query(`DROP ROLE ${RUNTIME}`);
  await database.query(`REASSIGN OWNED BY ${OWNER} TO CURRENT_USER`);
  await database.query(`DROP OWNED BY ${OWNER}`);
  await database.query(`DROP ROLE ${OWNER}`);
  await database.drop();
});

async function as(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function refusedStart(): Promise<string> {
  const { child, output } = spawnInstance({ env: { DATABASE_URL: runtimeUrl } });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(output()).not.toMatch(/\n\s+at /);
  return output();
}

it('A start whose database role may not migrate, or may not read, fails and says what is missing', async () => {
  expect(await refusedStart()).toMatch(
    /lacks migrations that the role in DATABASE_URL may not make .*CreateUsersSessionsAndAudit1795000000000.* Run "node dist\/bin\/migrate.js" as the owner/,
  );
  await runMigrate(ownerUrl);
  expect(await refusedStart()).toContain('The role in DATABASE_URL may not read the table "migrations"');
}, 60_000);

describe('the role that serves', () => {
  let instance: Instance;
  const walked = new Set<string>();

  beforeAll(async () => {
    await runMigrate(ownerUrl);
    await as(ownerUrl, grants.replaceAll('latchkey_runtime', RUNTIME));
    instance = await startInstance({ env: { DATABASE_URL: runtimeUrl, SMTP_URL: mailbox.url } });
  }, 60_000);

  afterAll(async () => {
    try {
      await expectInvariants(database, { api: instance.api, hasMissingRows: true });
    } finally {
      await instance.kill('SIGTERM');
    }
  });

  /** Takes a route, which must do what it is for. */
  async function walk(
    route: string,
    {
      id = '',
      secretId = '',
      query = '',
      ...call
    }: {
      id?: string;
      secretId?: string;
      query?: string;
      bearer?: string;
      body?: unknown;
      headers?: Record<string, string>;
    } = {},
  ) {
    const [method, path] = route.split(' ') as [string, string];
    const answer: Answer = await instance.api.call(
      method,
      path.replace('{id}', id).replace('{secretId}', secretId) + query,
      call,
    );
    expect([route, answer.status < 300 || answer]).toEqual([route, true]);
    walked.add(route);
    return answer.body;
  }

  it('The database role that only serves may do all that any route does', async () => {
    const { api } = instance;
    await walk('GET /health/live');
    await walk('GET /health/ready');
    await walk('GET /.well-known/jwks.json');
    const me = someone();
    const signIn = () => walk('POST /auth/login', { body: { ...me, tokenDelivery: 'body' } });
    let { accessToken: bearer, user } = await walk('POST /auth/register', { body: { ...me, tokenDelivery: 'body' } });
    await walk('POST /auth/email/resend', { bearer });
    const verification = await mailbox.tokenFor(me.email, SUBJECTS.verification, 2);
    await walk('POST /auth/email/verify', { body: { token: verification } });
    ({ accessToken: bearer } = await walk('POST /auth/password/change', {
      bearer,
      body: { currentPassword: PASSWORD, newPassword: PASSWORD },
    }));
    await walk('POST /auth/email/change', { bearer, body: { email: someone().email } });

    for (const route of [
      'GET /auth/me',
      'GET /auth/me/export',
      'GET /sessions',
      'GET /sessions/current',
      'GET /verify',
    ]) {
      await walk(route, { bearer });
    }
    const events = await fetch(`${api.url}/sessions/events`, { headers: { authorization: `Bearer ${bearer}` } });
    expect(events.status).toBe(200);
    await events.body?.cancel();
    walked.add('GET /sessions/events');

    const other = await signIn();
    await walk('PATCH /sessions/{id}', { bearer, id: other.session.id, body: { deviceName: 'Phone' } });
    await walk('DELETE /sessions/{id}', { bearer, id: other.session.id });
    await walk('GET /sessions/history', { bearer });
    await walk('GET /sessions/places', { bearer, query: '?addresses=::1' });
    await walk('POST /auth/logout-others', { bearer });
    const { refreshToken } = await walk('POST /auth/refresh', {
      body: { refreshToken: (await signIn()).refreshToken },
    });
    await walk('POST /auth/logout', { body: { refreshToken } });
    await walk('POST /auth/logout-all', { body: { refreshToken: (await signIn()).refreshToken } });

    await api.login({ ...me }, { headers: { 'user-agent': 'Mozilla/5.0 (Windows NT 10.0) Firefox/140.0' } });
    await walk('POST /sessions/disown', { body: { token: await mailbox.tokenFor(me.email, SUBJECTS.newDevice) } });
    await walk('POST /auth/password/forgot', { body: { email: me.email } });
    const reset = await mailbox.tokenFor(me.email, SUBJECTS.reset);
    await walk('POST /auth/links/preview', { body: { token: reset } });
    await walk('POST /auth/password/reset', { body: { token: reset, newPassword: PASSWORD } });

    const { email } = someone();
    await walk('POST /auth/email/change', { bearer: (await signIn()).accessToken, body: { email } });
    const change = await mailbox.tokenFor(email, SUBJECTS.confirmChange);
    await walk('POST /auth/email/verify', { body: { token: change } });
    const undo = await mailbox.tokenFor(me.email, SUBJECTS.addressChanged);
    const { resetToken } = await walk('POST /auth/email/undo', { body: { token: undo } });
    await walk('POST /auth/password/reset', { body: { token: resetToken, newPassword: PASSWORD } });

    const staff = await api.signUp();
    await database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
    const asStaff = { bearer: staff.accessToken, id: user.id };
    await walk('GET /admin/users', asStaff);
    await walk('GET /admin/audit', asStaff);
    await walk('GET /admin/users/{id}/sessions', asStaff);
    const ended = await signIn();
    const why = { reason: 'a test' };
    await walk('POST /admin/sessions/{id}/revoke', { ...asStaff, id: ended.session.id, body: why });
    for (const action of ['sessions/revoke', 'password/reset', 'disable', 'enable']) {
      await walk(`POST /admin/users/{id}/${action}`, { ...asStaff, body: why });
    }
    const service = { name: 'billing', scopes: ['introspect', 'verify', 'revoke'] };
    const client = await walk('POST /admin/clients', { ...asStaff, body: service });
    await walk('GET /admin/clients', asStaff);
    const asClient = { ...asStaff, id: client.id, secretId: client.secrets[0].id };
    const authorization = basic(client);
    const form = { 'content-type': 'application/x-www-form-urlencoded', authorization };
    await walk('GET /.well-known/oauth-authorization-server');
    await walk('POST /oauth/introspect', { headers: form, body: `token=${bearer}` });
    await walk('POST /verify/batch', { headers: { authorization }, body: { tokens: [bearer] } });
    const token = (await signIn()).accessToken;
    await walk('POST /oauth/revoke', { headers: form, body: `token=${token}` });
    await walk('POST /oauth/global-token-revocation', {
      headers: { authorization },
      body: { sub_id: { format: 'opaque', id: user.id } },
    });
    await walk('POST /admin/clients/{id}/secret', asClient);
    await walk('DELETE /admin/clients/{id}/secrets/{secretId}', asClient);
    await walk('DELETE /admin/clients/{id}', asClient);
    await walk('POST /auth/me/delete', { bearer: (await signIn()).accessToken, body: { password: PASSWORD } });

    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: Record<string, object> };
    const routes = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect([...walked].toSorted()).toEqual(routes.toSorted());
    expect(instance.output()).not.toContain('permission denied');
  }, 60_000);

  it('The database role that only serves may neither change the schema nor switch off what protects the audit trail', async () => {
    for (const statement of [
      'ALTER TABLE audit_events DISABLE TRIGGER ALL',
      'DROP TRIGGER audit_events_append_only ON audit_events',
      'ALTER TABLE users ADD COLUMN note text',
      'CREATE TABLE notes ()',
    ]) {
      await expect(as(runtimeUrl, statement)).rejects.toMatchObject({ code: '42501' });
    }
    await expect(as(runtimeUrl, 'DELETE FROM audit_events')).rejects.toThrow('append-only');
  });

  it('The database role that only serves makes and drops parts of the audit trail by functions, and may do nothing else to them', async () => {
    await as(
      runtimeUrl,
      'SELECT audit_events_make_parts(6), audit_events_drop_part(30), audit_events_rows_outside_parts()',
    );
    const parts = await database.query<{ name: string }>('SELECT part::text AS name FROM audit_events_parts()');
    expect(parts.length).toBeGreaterThan(7);
    for (const { name } of parts) {
      for (const statement of [
        `TRUNCATE ${name}`,
        `DROP TABLE ${name}`,
        `ALTER TABLE ${name} DISABLE TRIGGER ALL`,
        `ALTER TABLE audit_events DETACH PARTITION ${name}`,
        `SELECT audit_events_copy_rights('users', '${name}')`,
        `SELECT audit_events_add_part('${name}_too', 'DEFAULT')`,
      ]) {
        await expect(as(runtimeUrl, statement)).rejects.toMatchObject({ code: '42501' });
      }
    }
    // A table of its own with that name is not what the functions see.
    const decoy = `CREATE TEMP TABLE audit_events_default AS SELECT FROM generate_series(1, 3);
      DO $$ BEGIN ASSERT audit_events_rows_outside_parts() = 0; END $$`;
    await as(runtimeUrl, decoy);
  });
});
