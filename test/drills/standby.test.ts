import { Client } from 'pg';
import { type Instance, startInstance } from '../support/instance.js';
import { type OwnPostgres, startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

// A PostgreSQL of its own, whose commits can be made to wait for a standby that there is not.
let postgres: OwnPostgres;
let admin: Client;
let instance: Instance;

// Of a statement that waits only its beginning is shown (track_activity_query_size).
const isRevocation = (query: string) => /^\s*WITH\s+held AS/.test(query);

const waitFor = async (standbys: string): Promise<void> => {
  await admin.query(`ALTER SYSTEM SET synchronous_standby_names = '${standbys}'`);
  await admin.query('SELECT pg_reload_conf()');
  await until('it counts', async () => {
    const { rows } = await admin.query('SHOW synchronous_standby_names');
    return rows[0].synchronous_standby_names === standbys;
  });
};

beforeAll(async () => {
  postgres = await startPostgres();
  admin = new Client({ connectionString: postgres.url });
  admin.on('error', () => undefined);
  await admin.connect();
  instance = await startInstance({
    env: { DATABASE_URL: postgres.url, LAST_SEEN_SECONDS: '1', DATABASE_STATEMENT_TIMEOUT_MS: '60000' },
  });
}, 60_000);

afterAll(async () => {
  await instance?.kill('SIGTERM');
  await admin?.end();
  await postgres?.stop();
}, 60_000);

it('What was seen is written while no standby confirms, and a logout is not answered before one has', async () => {
  const seen = await instance.api.signUp();
  const leaving = await instance.api.signUp();
  const generationOf = async (id: string) => {
    const { rows } = await admin.query('SELECT used_generation FROM sessions WHERE id = $1', [id]);
    return rows[0].used_generation;
  };
  const waiting = async () => {
    const { rows } = await admin.query(`SELECT query FROM pg_stat_activity WHERE wait_event = 'SyncRep'`);
    return rows.map(({ query }) => query);
  };
  await waitFor('nobody');
  let isAnswered = false;
  const logout = instance.api.logout(leaving.refreshToken).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await until('the logout waits', async () => (await waiting()).some(isRevocation));
  expect(await generationOf(seen.session.id)).toBe(0);
  for (let round = 0; round < 3; round++) {
    const before = (await admin.query('SELECT last_seen_at FROM sessions WHERE id = $1', [seen.session.id])).rows[0];
    await until('it is written', async () => {
      expect((await instance.api.me(seen.accessToken)).status).toBe(200);
      const { rows } = await admin.query('SELECT last_seen_at FROM sessions WHERE id = $1', [seen.session.id]);
      return rows[0].last_seen_at > before.last_seen_at;
    });
  }
  expect(await generationOf(seen.session.id)).toBe(1);
  expect((await waiting()).some(isRevocation)).toBe(true);
  expect((await waiting()).join()).not.toContain('last_seen_at');
  expect(isAnswered).toBe(false);
  await waitFor('');
  expect((await logout).status).toBe(204);
});
