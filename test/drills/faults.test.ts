import { Client, type QueryResultRow } from 'pg';
import { type Answer, type Api, type AuthResult, cookieOf, someone } from '../support/api.js';
import { expectInvariants } from '../support/invariants.js';
import { holdSessions } from '../support/held-rows.js';
import { type Instance, startInstance } from '../support/instance.js';
import { type OwnPostgres, startPostgres } from '../support/postgres.js';
import { recovered } from '../support/recovery.js';
import { until } from '../support/until.js';

// A PostgreSQL of its own: these tests stop and freeze it.
let postgres: OwnPostgres;
let instance: Instance;
let api: Api;

beforeAll(async () => {
  postgres = await startPostgres();
  instance = await startInstance({
    env: {
      DATABASE_URL: postgres.url,
      DATABASE_STATEMENT_TIMEOUT_MS: '1500',
      DATABASE_CONNECT_TIMEOUT_MS: '1000',
      LOG_LEVEL: 'silent',
    },
  });
  api = instance.api;
}, 60_000);

afterAll(async () => {
  await instance?.kill('SIGTERM');
  try {
    await expectInvariants({ query: askDatabase }, { hasFaults: true });
  } finally {
    await postgres?.stop();
  }
}, 60_000);

/** A question to the database, beside the service. */
async function askDatabase<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> {
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Asks without pause in many ways, and keeps every answer. */
function underLoad(devices: readonly AuthResult[], cookies: readonly string[]) {
  const answers: { what: string; answer: Answer }[] = [];
  let isRunning = true;
  const keep = async (what: string, ask: () => Promise<Answer>) => {
    while (isRunning) {
      answers.push({ what, answer: await ask() });
    }
  };
  const running = Promise.all([
    ...devices.flatMap(({ accessToken, refreshToken }) => [
      keep('me', () => api.me(accessToken)),
      keep('sessions', () => api.sessions(accessToken)),
      keep('refresh by body', () => api.refresh(refreshToken)),
    ]),
    ...cookies.map((cookie) => keep('refresh by cookie', () => api.refreshByCookie(cookie))),
    keep('login', () => api.login(someone())),
  ]);
  return {
    answers,
    async stop() {
      isRunning = false;
      await running;
    },
  };
}

async function outage(
  fault: string,
  begin: () => void | Promise<void>,
  finish: () => void | Promise<void>,
): Promise<void> {
  const devices = await Promise.all([1, 2, 3, 4].map(() => api.signUp()));
  const cookies = await Promise.all(
    [1, 2].map(async () => cookieOf(await api.register({ ...someone(), tokenDelivery: 'cookie' }))),
  );
  const load = underLoad(devices, cookies);
  const seen = (what: string, status: number) => () =>
    Promise.resolve(load.answers.some(({ what: kind, answer }) => kind === what && answer.status === status));

  await begin();
  const from = load.answers.length;
  // Every kind of request gets its answer while the database is away.
  for (const what of ['me', 'sessions', 'refresh by body', 'refresh by cookie', 'login']) {
    await until(`${what} is answered 503`, seen(what, 503), 30);
  }
  expect((await api.call('GET', '/health/live')).status).toBe(200);
  expect((await api.call('GET', '/health/ready')).status).toBe(503);
  await finish();
  const before = load.answers.length;
  await recovered(fault, () =>
    Promise.resolve(load.answers.slice(before).some(({ what, answer }) => what !== 'login' && answer.status === 200)),
  );
  await until('it is ready', async () => (await api.call('GET', '/health/ready')).status === 200);
  await load.stop();

  const during = load.answers.slice(from);
  const others = during.filter(
    ({ what, answer: { status } }) => status !== 503 && status !== (what === 'login' ? 401 : 200),
  );
  expect(others.map(({ what, answer }) => [what, answer.status, answer.body])).toEqual([]);
  const refusals = during.filter(({ answer }) => answer.status === 503).map(({ answer }) => answer);
  for (const { headers, body } of refusals) {
    expect(body.code).toBe('service_unavailable');
    expect(headers.get('retry-after')).toMatch(/^\d+$/);
    expect(headers.getSetCookie()).toEqual([]);
  }

  // Nothing was consumed, nobody was logged out: the tokens from before the outage still go on.
  for (const { accessToken, refreshToken } of devices) {
    expect((await api.me(accessToken)).status).toBe(200);
    const next = await api.refresh(refreshToken);
    expect(next.status).toBe(200);
    expect((await api.refresh(next.body.refreshToken)).status).toBe(200);
  }
  for (const cookie of cookies) {
    expect((await api.refreshByCookie(cookie)).status).toBe(200);
  }
}

it('While PostgreSQL is stopped the service answers 503 and loses nothing, and it recovers by itself', async () => {
  await outage(
    'PostgreSQL stopped and started',
    () => postgres.stop(),
    () => postgres.restart(),
  );
}, 120_000);

it('While PostgreSQL is frozen the service answers 503 and loses nothing, and it recovers by itself', async () => {
  await outage(
    'PostgreSQL frozen and let go',
    () => postgres.pause(),
    () => postgres.resume(),
  );
}, 120_000);

it('When PostgreSQL is killed the service answers 503 and loses nothing, and it recovers by itself', async () => {
  await outage(
    'PostgreSQL killed and started',
    () => postgres.kill(),
    () => postgres.restart(),
  );
}, 120_000);

it('Requests that lose their database connection get 503, and the service goes on with new connections', async () => {
  const devices = await Promise.all([1, 2, 3, 4].map(() => api.signUp()));
  const load = underLoad(devices, []);
  const answered = (status: number) => () =>
    Promise.resolve(load.answers.some(({ answer }) => answer.status === status));
  await until('the load is under way', answered(200));
  // Often, so that it also meets a connection between two statements of its transaction.
  let cuts = 0;
  await until(
    'connections were lost with requests on them',
    async () => {
      await askDatabase(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'`);
      cuts += 1;
      return cuts >= 50 && (await answered(503)());
    },
    60,
  );
  const before = load.answers.length;
  await recovered('every connection cut', () =>
    Promise.resolve(load.answers.slice(before).some(({ what, answer }) => what !== 'login' && answer.status === 200)),
  );
  await load.stop();
  const statuses = new Set(load.answers.filter(({ what }) => what !== 'login').map(({ answer }) => answer.status));
  expect([...statuses].toSorted((x, y) => x - y)).toEqual([200, 503]);
  for (const { accessToken, refreshToken } of devices) {
    expect((await api.me(accessToken)).status).toBe(200);
    expect((await api.refresh((await api.refresh(refreshToken)).body.refreshToken)).status).toBe(200);
  }
}, 120_000);

it('A client that disconnects in the middle of a refresh can refresh again with the same token', async () => {
  const { refreshToken, session } = await api.signUp();
  const held = await holdSessions({ adminUrl: postgres.url, query: askDatabase }, [session.id]);
  const abort = new AbortController();
  const gone = fetch(`${api.url}/auth/refresh`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refreshToken }),
    signal: abort.signal,
  });
  await held.waiting('UPDATE sessions', 1);
  abort.abort();
  await expect(gone).rejects.toThrow('aborted');
  await held.release();
  await until('it rotated all the same', async () => {
    const [row] = await askDatabase<{ generation: number }>('SELECT generation FROM sessions WHERE id = $1', [
      session.id,
    ]);
    return row?.generation === 2;
  });
  const again = await api.refresh(refreshToken);
  expect(again.status).toBe(200);
  expect((await api.refresh(again.body.refreshToken)).status).toBe(200);
});

it('A request whose statement runs out of time gets 503, and other requests are served meanwhile', async () => {
  const { refreshToken, session, accessToken } = await api.signUp();
  const held = await holdSessions({ adminUrl: postgres.url, query: askDatabase }, [session.id]);
  const waiting = api.refresh(refreshToken);
  expect((await api.me(accessToken)).status).toBe(200);
  const late = await waiting;
  expect([late.status, late.body.code]).toEqual([503, 'service_unavailable']);
  await held.release();
  expect((await api.refresh(refreshToken)).status).toBe(200);
});
