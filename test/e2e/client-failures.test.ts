import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Client } from 'pg';
import type { AuthResult } from '../support/api.js';
import { addClient, basic, postForm, signUpStaff, type TestClient } from '../support/clients.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';
import { startPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

const t = useInstances(2, {
  hasFaults: true,
  hasMissingRows: true,
  env: () => ({
    RATE_LIMIT: 'on',
    TRUST_PROXY: '1',
    CLIENT_FAILURES_PER_ADDRESS: '5',
    CLIENT_FAILURES_PER_CLIENT: '8',
    UNKNOWN_TOKENS_PER_ADDRESS: '5',
  }),
});
let staff: AuthResult;
let client: TestClient;
beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  client = await addClient(t.a, staff, 'revoke');
});

/** Of a server that is not that of the other tests. */
async function queryAt(url: string, sql: string, values: unknown[] = []): Promise<any[]> {
  const database = new Client({ connectionString: url });
  await database.connect();
  try {
    return (await database.query(sql, values)).rows;
  } finally {
    await database.end();
  }
}

let last = 0;
const somewhere = () => `10.0.0.${(last += 1)}`;
const send = (address: string, authorization: string | undefined, token = 'x', api = t.a) =>
  postForm(api, '/oauth/revoke', { token }, { 'x-forwarded-for': address, ...(authorization && { authorization }) });
const wrongSecret = ({ id }: { id: string }) => basic({ id, clientSecret: 'wrong' });
const trailOf = (address: string) =>
  t.database.query<{ type: string; reason: string; note: string | null }>(
    `SELECT type, reason, note FROM audit_events WHERE ip = $1 AND type LIKE 'service_client_%' ORDER BY at, id`,
    [address],
  );

it('Wrong credentials from one address are bounded, at both instances together, and the audit trail has two lines of them', async () => {
  const address = somewhere();
  const answers = [];
  for (let i = 0; i < 9; i++)
    answers.push(await send(address, wrongSecret({ id: randomUUID() }), 'x', i % 2 ? t.b : t.a));
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429, 429, 429, 429]);
  expect(Number(answers[5]!.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answers[5]!.body.error).toBe('too_many_requests');
  expect(await trailOf(address)).toEqual([
    { type: 'service_client_refused', reason: 'invalid_client', note: expect.any(String) },
    { type: 'service_client_throttled', reason: 'address', note: null },
  ]);
});

it('Wrong secrets for one client are bounded from wherever they come, known or not, and lock the client out from nowhere', async () => {
  for (const id of [client.id, randomUUID(), 'no id at all']) {
    const statuses = [];
    for (let i = 0; i < 10; i++) statuses.push((await send(somewhere(), wrongSecret({ id }))).status);
    expect([id, statuses]).toEqual([id, [...Array<number>(8).fill(401), 429, 429]]);
  }
  const shared = somewhere();
  for (let i = 0; i < 20; i++) await send(shared, wrongSecret(client));
  for (const address of [somewhere(), shared]) {
    const account = await t.a.signUp();
    const { status } = await send(address, basic(client), account.accessToken, t.b);
    expect([status, (await t.a.me(account.accessToken)).status]).toEqual([200, 401]);
  }
});

it('The bound is one for every way to ask, at both instances, and each says so as it says everything', async () => {
  const from = { 'x-forwarded-for': somewhere() };
  const form = 'application/x-www-form-urlencoded';
  const ways = [
    ['/oauth/introspect', form, 'token=x'],
    ['/verify/batch', 'application/json', '{"tokens":["x"]}'],
    ['/oauth/revoke', form, 'token=x'],
    ['/oauth/global-token-revocation', 'application/json', '{"sub_id":{"format":"opaque","id":"x"}}'],
  ] as const;
  const answers = [];
  for (const turn of Array(12).keys()) {
    const [path, type, body] = ways[turn % ways.length]!;
    const headers = { ...from, 'content-type': type, authorization: wrongSecret({ id: randomUUID() }) };
    answers.push({ path, ...(await (turn % 2 ? t.b : t.a).call('POST', path, { headers, body })) });
  }
  expect(answers.map(({ status }) => status)).toEqual([...Array<number>(5).fill(401), ...Array<number>(7).fill(429)]);
  for (const { path, headers, body } of answers.slice(5)) {
    const isProblem = path === '/verify/batch';
    expect([path, body[isProblem ? 'code' : 'error'], headers.get('content-type')]).toEqual([
      path,
      'too_many_requests',
      expect.stringContaining(isProblem ? 'application/problem+json' : 'application/json'),
    ]);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }
});

it('What the audit trail says of a wrong id never is what was sent, unless that is an id', async () => {
  const [id, mistaken] = [randomUUID(), somewhere()];
  const address = somewhere();
  await send(address, wrongSecret({ id }));
  await send(mistaken, basic({ id: client.clientSecret, clientSecret: client.id }));
  expect([await trailOf(address), await trailOf(mistaken)]).toMatchObject([[{ note: id }], [{ note: null }]]);
});

describe.each(['/oauth/introspect', '/oauth/revoke'])('A form at %s', (path) => {
  const FORM = 'application/x-www-form-urlencoded';
  const faults: Record<string, (credentials: string) => [body: string, status: number, type?: string]> = {
    'more than 16 kB': (credentials) => [`token=x&${credentials}&x=${'x'.repeat(17_000)}`, 413],
    'a NUL': (credentials) => [`token=%00&${credentials}`, 400],
    'a broken escape': (credentials) => [`token=%zz&${credentials}`, 400],
    'what is not UTF-8': (credentials) => [`token=%ff&${credentials}`, 400],
    '300 parameters': (credentials) => [`token=x&${credentials}${'&x=1'.repeat(300)}`, 400],
    'client_id twice': (credentials) => [`token=x&${credentials}&client_id=x`, 400],
    'client_secret twice': (credentials) => [`token=x&${credentials}&client_secret=x`, 400],
    'the token twice': (credentials) => [`token=x&token=x&${credentials}`, 400],
    'another media type': (credentials) => [`token=x&${credentials}`, 400, 'text/plain'],
  };
  let caller: TestClient;
  beforeAll(async () => {
    caller = await addClient(t.a, staff, 'introspect', 'revoke');
  });
  const ask = async (address: string, body: string, type = FORM, headers: Record<string, string> = {}) => {
    const answer = await t.a.call('POST', path, {
      body,
      headers: { 'content-type': type, 'x-forwarded-for': address, 'x-request-id': 'same', ...headers },
    });
    return {
      status: answer.status,
      headers: [...answer.headers].filter(([name]) => name !== 'date'),
      body: answer.body,
    };
  };

  it('that is refused says nothing of credentials in it, right or wrong, and counts as no failure', async () => {
    const address = somewhere();
    for (const [what, fault] of Object.entries(faults)) {
      const answers = [];
      for (const secret of [caller.clientSecret, 'wrong']) {
        const [body, status, type] = fault(`client_id=${caller.id}&client_secret=${secret}`);
        const answer = await ask(address, body, type);
        expect([what, answer.status, answer.body]).toEqual([
          what,
          status,
          { error: 'invalid_request', error_description: expect.any(String) },
        ]);
        answers.push(answer);
      }
      expect(answers[1]).toEqual(answers[0]);
    }
    expect(await trailOf(address)).toEqual([]);
  });

  it('comes after wrong credentials in the header, whatever is wrong with it', async () => {
    // One of the two beside the header would be a second way to authenticate.
    for (const [what, fault] of Object.entries(faults).filter(([name]) => !name.startsWith('client_'))) {
      const [body, , type] = fault('x=1');
      const answer = await ask(somewhere(), body, type, {
        authorization: basic({ id: randomUUID(), clientSecret: 'x' }),
      });
      expect([what, answer.status, answer.body.error]).toEqual([what, 401, 'invalid_client']);
    }
  });
});

it('JSON that cannot be read is not spoken of to a caller without credentials', async () => {
  const answer = await t.a.call('POST', '/oauth/global-token-revocation', {
    body: '{',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': somewhere() },
  });
  expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
});

it('Tokens that are none of ours are bounded, but one that is can always be revoked', async () => {
  const address = somewhere();
  const statuses = [];
  for (let i = 0; i < 7; i++) statuses.push((await send(address, undefined)).status);
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
  const account = await t.a.signUp();
  for (const api of [t.a, t.b, t.a]) {
    expect((await send(address, undefined, account.refreshToken, api)).status).toBe(200);
  }
  expect((await t.b.me(account.accessToken)).status).toBe(401);
  for (let i = 0; i < 7; i++) expect((await send(somewhere(), basic(client))).status).toBe(200);
});

it('While the store does not answer, nothing is decided: 503, whatever is asked and with whatever credentials', async () => {
  const postgres = await startPostgres();
  const instance = await startInstance({
    env: { DATABASE_URL: postgres.url, SESSION_CHECK_TIMEOUT_MS: '1000', DATABASE_STATEMENT_TIMEOUT_MS: '2000' },
  });
  const { api } = instance;
  const admin = await signUpStaff(api, { query: (sql, values) => queryAt(postgres.url, sql, values) });
  const other = await addClient(api, admin, 'revoke');
  const account = await api.signUp();
  const authorization = basic(other);
  const sub_id = { format: 'opaque', id: account.user.id };
  const ask = () =>
    Promise.all([
      postForm(api, '/oauth/revoke', { token: account.accessToken }),
      postForm(api, '/oauth/revoke', { token: account.refreshToken }),
      postForm(api, '/oauth/revoke', { token: account.refreshToken }, { authorization }),
      postForm(api, '/oauth/revoke', { token: account.refreshToken }, { authorization: wrongSecret(other) }),
      api.call('POST', '/oauth/global-token-revocation', { headers: { authorization }, body: { sub_id } }),
    ]);
  postgres.pause();
  for (const { status, headers, body } of await ask()) {
    expect([status, headers.get('retry-after'), body.error]).toEqual([503, '1', 'temporarily_unavailable']);
  }
  postgres.resume();
  // Until the last of the pool's connections is a good one, one of them may be refused once more, which changes nothing.
  await until('every one is answered', async () => {
    const statuses = (await ask()).map(({ status }) => status);
    return isDeepStrictEqual(statuses, [200, 200, 200, 401, 204]);
  });
  expect((await api.me(account.accessToken)).status).toBe(401);
  await instance.kill('SIGTERM');
  await postgres.stop();
}, 120_000);
