import { Client, type QueryResultRow } from 'pg';
import { type Api, type AuthResult, someone } from '../support/api.js';
import { holdUsers } from '../support/held-rows.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { type OwnPostgres, startPostgres } from '../support/postgres.js';
import { recovered } from '../support/recovery.js';
import { until } from '../support/until.js';

// A PostgreSQL of its own: these tests change its settings and take all its connections.
let postgres: OwnPostgres;
let instance: Instance;
let api: Api;
let admin: Client;

beforeAll(async () => {
  postgres = await startPostgres();
  instance = await startInstance({
    env: {
      DATABASE_URL: postgres.url,
      LOG_LEVEL: 'silent',
      MAX_SESSIONS_PER_USER: '10',
      // A login waits here until the passwords of all the others are hashed, on however busy a machine.
      DATABASE_STATEMENT_TIMEOUT_MS: '60000',
    },
  });
  api = instance.api;
  admin = await connect();
}, 60_000);

afterAll(async () => {
  await instance?.kill('SIGTERM');
  try {
    await expectInvariants({ query: askAdmin }, { hasFaults: true });
  } finally {
    await admin?.end();
    await postgres?.stop();
  }
}, 60_000);

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: postgres.url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

const askAdmin = async <Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> =>
  (await admin.query<Row>(sql, values)).rows;

const set = async (name: string, value: string) => {
  await admin.query(`ALTER SYSTEM SET ${name} = ${value}`);
  await admin.query('SELECT pg_reload_conf()');
};

const cutAll = () =>
  admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'`);

const waitingBackends = async () =>
  (await admin.query(`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)).rowCount ?? 0;

/** Every kind of request that writes, each with what it needs. */
async function writers() {
  const account = await api.signUp();
  const other = () => api.signIn(account.credentials);
  const [refreshed, loggedOut, ended] = await Promise.all([other(), other(), other()]);
  return {
    account,
    refreshed,
    ask: {
      register: () => api.register(someone()),
      login: () => api.login(account.credentials),
      refresh: () => api.refresh(refreshed.refreshToken),
      rename: () =>
        api.call('PATCH', `/sessions/${refreshed.session.id}`, {
          bearer: account.accessToken,
          body: { deviceName: 'x' },
        }),
      logout: () => api.logout(loggedOut.refreshToken),
      delete: () => api.endSession(account.accessToken, ended.session.id),
      'logout-others': () => api.logoutOthers(account.accessToken),
    },
  };
}

const generationOf = async ({ session }: AuthResult): Promise<number> =>
  (await admin.query<{ generation: number }>('SELECT generation FROM sessions WHERE id = $1', [session.id])).rows[0]!
    .generation;

const countOf = async (table: string): Promise<number> =>
  (await admin.query<{ count: number }>(`SELECT count(*)::integer AS count FROM ${table}`)).rows[0]!.count;

/** Makes writes fail `times` times, at the statement or as late as the commit. Sequences are not rolled back. */
async function failing(
  { sqlstate, at, times }: { sqlstate: string; at: 'statement' | 'commit'; times: number },
  run: () => Promise<void>,
): Promise<void> {
  const timing = at === 'commit' ? 'DEFERRABLE INITIALLY DEFERRED' : '';
  await admin.query(`
    CREATE SEQUENCE planned_failures;
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('planned_failures') <= ${times} THEN
        RAISE EXCEPTION 'planned' USING ERRCODE = '${sqlstate}';
      END IF;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER fail AFTER INSERT OR UPDATE ON sessions ${timing} FOR EACH ROW EXECUTE FUNCTION fail();`);
  try {
    await run();
  } finally {
    await admin.query('DROP TRIGGER fail ON sessions; DROP FUNCTION fail; DROP SEQUENCE planned_failures');
  }
}

it('A request that PostgreSQL ends as a deadlock is tried again and succeeds', async () => {
  const { credentials, accessToken } = await api.signUp();
  const others = await Promise.all([api.signIn(credentials), api.signIn(credentials)]);
  const [first, last] = others.map(({ session }) => session.id).toSorted();

  // The service locks from the first to the last; somebody else does it the other way round.
  const holder = await connect();
  await holder.query(`SET deadlock_timeout = '1min'; BEGIN`);
  await holder.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [last]);
  const answer = api.logoutOthers(accessToken);
  await until('the service waits', async () => (await waitingBackends()) === 1);
  // Two wait for each other now. The service's connection notices first and is the victim.
  await holder.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [first]);
  await holder.query('COMMIT');
  await holder.end();
  const { status, body } = await answer;
  expect([status, body]).toEqual([200, { revoked: 2 }]);
});

it.each(['40001', '40P01'])(
  'A write that is rolled back with SQLSTATE %s is tried again and takes effect once',
  async (sqlstate) => {
    for (const at of ['statement', 'commit'] as const) {
      const { ask, refreshed } = await writers();
      for (const [name, request] of Object.entries(ask)) {
        await failing({ sqlstate, at, times: 2 }, async () => {
          const { status } = await request();
          expect([name, at, status < 300]).toEqual([name, at, true]);
        });
      }
      expect(await generationOf(refreshed)).toBe(2);
    }
  },
  60_000,
);

it.each([
  ['a disk that is full', '53100'],
  ['a server that shuts down', '57P01'],
  ['a contention that does not end', '40001'],
])('A write whose commit fails because of %s answers 503 and changes nothing', async (_, sqlstate) => {
  const { account, refreshed, ask } = await writers();
  await failing({ sqlstate, at: 'commit', times: 1_000_000 }, async () => {
    const rows = [await countOf('sessions'), await countOf('audit_events')];
    for (const [name, request] of Object.entries(ask)) {
      const { status, body, headers } = await request();
      expect([name, status, body.code]).toEqual([name, 503, 'service_unavailable']);
      expect(headers.get('retry-after')).toMatch(/^\d+$/);
      expect(headers.getSetCookie()).toEqual([]);
    }
    expect([await countOf('sessions'), await countOf('audit_events')]).toEqual(rows);
  });
  expect(await generationOf(refreshed)).toBe(1);
  expect((await api.sessions(account.accessToken)).body.items).toHaveLength(4);
  for (const [name, request] of Object.entries(ask)) {
    expect([name, (await request()).status < 300]).toEqual([name, true]);
  }
});

it.each(['repeatable read', 'serializable'])(
  'On a database whose default isolation is %s, racing refreshes get one token and the cap of sessions holds',
  async (level) => {
    await set('default_transaction_isolation', `'${level}'`);
    await cutAll();
    try {
      await until('it goes on', async () => (await api.call('GET', '/health/ready')).status === 200);
      const { credentials, refreshToken, user } = await api.signUp();
      const answers = await Promise.all(Array.from({ length: 20 }, () => api.refresh(refreshToken)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);

      // The cap holds though all logins began before any of them was done.
      await Promise.all(Array.from({ length: 5 }, () => api.signIn(credentials)));
      const held = await holdUsers({ adminUrl: postgres.url, query: askAdmin }, [user.id]);
      const logins = Array.from({ length: 8 }, () => api.login(credentials));
      await held.waiting('users', logins.length);
      await held.release();
      expect((await Promise.all(logins)).map(({ status }) => status)).toEqual(logins.map(() => 200));
      const { rows } = await admin.query('SELECT FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', [user.id]);
      expect(rows).toHaveLength(10);
    } finally {
      await set('default_transaction_isolation', 'DEFAULT');
      await cutAll();
      await until('it goes on', async () => (await api.call('GET', '/health/ready')).status === 200);
    }
  },
);

it('While the database is read-only, writes answer 503 and session checks pass, and writes recover afterwards', async () => {
  const { account, ask } = await writers();
  await set('default_transaction_read_only', 'on');
  await until('it is read-only', async () => (await api.register(someone())).status === 503);
  for (const [name, request] of Object.entries(ask)) {
    expect([name, (await request()).status]).toEqual([name, 503]);
  }
  expect((await api.me(account.accessToken)).status).toBe(200);
  await admin.query('SET default_transaction_read_only = off');
  await set('default_transaction_read_only', 'DEFAULT');
  await recovered('read-only', async () => (await api.register(someone())).status === 201);
  for (const [name, request] of Object.entries(ask)) {
    expect([name, (await request()).status < 300]).toEqual([name, true]);
  }
});

it('While PostgreSQL has no connection left the service answers 503, and recovers once it has', async () => {
  const { account, ask } = await writers();
  const { rows } = await admin.query<{ max_connections: string }>('SHOW max_connections');
  const taken = [admin];
  await until('every connection is held here', async () => {
    await cutAll();
    try {
      for (;;) taken.push(await connect());
    } catch {
      // Counted here: a backend that is ending leaves pg_stat_activity before it gives its place away.
      return taken.length === Number(rows[0]!.max_connections);
    }
  });
  try {
    expect((await api.me(account.accessToken)).status).toBe(503);
    for (const [name, request] of Object.entries(ask)) {
      const { status, body } = await request();
      expect([name, status, body.code]).toEqual([name, 503, 'service_unavailable']);
    }
  } finally {
    await Promise.all(taken.slice(1).map((client) => client.end()));
  }
  await recovered('no connections left', async () => (await api.me(account.accessToken)).status === 200);
  for (const [name, request] of Object.entries(ask)) {
    expect([name, (await request()).status < 300]).toEqual([name, true]);
  }
}, 60_000);
