import { Client } from 'pg';
import type { Answer } from '../support/api.js';
import { addClient, signUpStaff } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { type Instance, startInstance } from '../support/instance.js';
import { INACTIVE, Introspector, type RawAnswer } from '../support/introspection.js';
import { expectInvariants } from '../support/invariants.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  proxy = await startDatabaseProxy(database.url);
  const timeouts = { DATABASE_STATEMENT_TIMEOUT_MS: '1000', DATABASE_CONNECT_TIMEOUT_MS: '1000' };
  instance = await startInstance({ env: { DATABASE_URL: proxy.url, ...timeouts } });
}, 60_000);

afterAll(async () => {
  proxy.release();
  try {
    await expectInvariants(database, { api: instance.api, hasFaults: true });
  } finally {
    await instance.kill('SIGTERM');
    proxy.stop();
    await database.drop();
  }
});

interface Asked {
  /** The good tokens, those of an ended session, garbage, and the good access token with a signed answer. */
  readonly ask: () => Promise<RawAnswer[]>;
  readonly batch: () => Promise<Answer>;
}

async function prepare(): Promise<Asked> {
  const { api } = instance;
  const service = new Introspector(api, await addClient(api, await signUpStaff(api, database), 'introspect', 'verify'));
  const good = await api.signUp();
  const ended = await api.signUp();
  await api.logout(ended.refreshToken);
  const tokens = [good.accessToken, good.refreshToken, ended.accessToken, ended.refreshToken, 'garbage'];
  return {
    ask: () =>
      Promise.all([
        ...tokens.map((token) => service.send({ token })),
        service.send({ token: good.accessToken }, { accept: 'application/token-introspection+jwt' }),
      ]),
    batch: () => service.batch([good.accessToken, 'garbage', ended.accessToken]),
  };
}

async function expectVerdicts({ ask, batch }: Asked): Promise<void> {
  const answers = (await ask()).slice(0, -1).map(({ text }) => JSON.parse(text).active);
  expect(answers).toEqual([true, true, false, false, false]);
  expect((await batch()).body.results.map(({ active }: any) => active)).toEqual([true, false, false]);
}

function expectNoVerdict(answers: readonly RawAnswer[], batched: Answer): void {
  for (const { status, headers, text } of answers) {
    expect([status, headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    expect(JSON.parse(text)).toEqual({ error: 'temporarily_unavailable', error_description: expect.any(String) });
  }
  expect([batched.status, batched.body.code]).toEqual([503, 'service_unavailable']);
  expect(batched.headers.get('retry-after')).toMatch(/^\d+$/);
}

it('Where the database is silent every way to ask is answered with 503, and with the verdicts of before afterwards', async () => {
  const asked = await prepare();
  await expectVerdicts(asked);

  proxy.hold();
  expectNoVerdict(...(await Promise.all([asked.ask(), asked.batch()])));
  // What needs no database is answered as ever.
  expect((await instance.api.call('GET', '/.well-known/oauth-authorization-server')).status).toBe(200);

  proxy.release();
  await until('the database answers again', async () => (await asked.batch()).status === 200);
  await expectVerdicts(asked);
}, 60_000);

it('Where the client is known and only the sessions cannot be read, there is no verdict about a token of ours either', async () => {
  const asked = await prepare();
  const holder = new Client({ connectionString: database.adminUrl });
  await holder.connect();
  try {
    await holder.query('BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE');
    const [answers, batched] = await Promise.all([asked.ask(), asked.batch()]);
    // What we never issued is not looked for.
    const [garbage] = answers.splice(4, 1);
    expect([garbage!.status, garbage!.text]).toEqual([200, INACTIVE]);
    expectNoVerdict(answers, batched);
  } finally {
    await holder.end();
  }
  await until('the sessions can be read again', async () => (await asked.batch()).status === 200);
  await expectVerdicts(asked);
}, 60_000);

it('A service waits no longer for a verdict about a refresh token than about an access token, whatever a statement may take', async () => {
  const patient = await startInstance({ env: { DATABASE_URL: database.url, DATABASE_STATEMENT_TIMEOUT_MS: '60000' } });
  const holder = new Client({ connectionString: database.adminUrl });
  await holder.connect();
  try {
    const { api } = patient;
    const service = new Introspector(api, await addClient(api, await signUpStaff(api, database), 'introspect'));
    const { accessToken, refreshToken } = await api.signUp();
    await holder.query('BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE');
    const answers = await Promise.all([accessToken, refreshToken].map((token) => service.send({ token })));
    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
  } finally {
    await holder.end();
    await patient.kill('SIGTERM');
  }
}, 40_000);
