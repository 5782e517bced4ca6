import { randomUUID } from 'node:crypto';
import { LIMITS } from '../../src/config/limits.config.js';
import { type Answer, Api, someone } from '../support/api.js';
import { expectInvariants } from '../support/invariants.js';
import { basic, postForm } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type Instance, PRODUCTION_LIMITS, startInstance } from '../support/instance.js';
import { startPostgres } from '../support/postgres.js';
import { age } from '../support/time.js';
import { until } from '../support/until.js';

// Two processes on one database, behind a proxy that says where a request came from.
let database: TestDatabase;
let instances: Instance[];
let a: Api;
let b: Api;

// A minute for the first delay, so that a slow machine does not outlast it.
const ENV = {
  ...PRODUCTION_LIMITS,
  TRUST_PROXY: '1',
  LOGIN_DELAY_SECONDS: '60',
  SESSION_CHECK_TIMEOUT_MS: '20000',
};
const start = (url = database.url) => startInstance({ env: { ...ENV, DATABASE_URL: url } });

beforeAll(async () => {
  database = await createDatabase();
  instances = await Promise.all([start(), start()]);
  [a, b] = instances.map(({ api }) => api) as [Api, Api];
}, 60_000);
afterAll(async () => {
  await Promise.all((instances ?? []).map((instance) => instance.kill('SIGTERM')));
  await expectInvariants(database, { hasFaults: true, hasMissingRows: true });
  await database.drop();
});

let lastHost = 0;
/** An address nobody came from before. */
const somewhere = () => `10.${(lastHost += 1) >> 8}.${lastHost & 255}.1`;
const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
const guess = (email: string, address = somewhere(), api = a, password = 'not the password') =>
  api.login({ email, password }, from(address));
const statusesOf = (answers: readonly Answer[]) => answers.map(({ status }) => status);

async function signUp() {
  const credentials = someone();
  const { body } = await a.register(credentials, from(somewhere()));
  return { ...body, credentials };
}

/** How many wrong passwords the service has really looked at. */
async function evaluated(): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM audit_events WHERE type = 'login_failed'`,
  );
  return row!.count;
}

async function evaluatedDuring(work: () => Promise<unknown>): Promise<number> {
  const before = await evaluated();
  await work();
  return (await evaluated()) - before;
}

/** As if the delay of every account were over. */
const letGatesPass = () => database.query(`DELETE FROM rate_limits WHERE key LIKE 'login_gate:%'`);

function expectThrottled({ status, headers, body }: Answer): number {
  expect([status, body.code]).toEqual([429, 'too_many_requests']);
  const seconds = Number(headers.get('retry-after'));
  expect(seconds).toBeGreaterThanOrEqual(1);
  return seconds;
}

describe('guessing the password of one account', () => {
  it('After 5 wrong passwords for one account from one address even the right password must wait', async () => {
    const { credentials } = await signUp();
    const address = somewhere();
    const answers: Answer[] = [];
    const looked = await evaluatedDuring(async () => {
      for (let i = 0; i < 15; i++) answers.push(await guess(credentials.email, address));
    });
    expect(looked).toBe(5);
    expect(statusesOf(answers).slice(0, 5)).toEqual([401, 401, 401, 401, 401]);
    answers.slice(5).forEach(expectThrottled);
    expectThrottled(await a.login(credentials, from(address)));
    await letGatesPass();
    expect((await a.login(credentials, from(address))).status).toBe(200);
  });

  it('Guesses at one account from many addresses at two instances get 5 tries in all', async () => {
    const { credentials } = await signUp();
    const looked = await evaluatedDuring(async () => {
      for (let i = 0; i < 15; i++) await guess(credentials.email, somewhere(), i % 2 ? a : b);
    });
    expect(looked).toBe(5);
  });

  it('Of 100 simultaneous guesses at one account from many addresses at two instances only 5 are checked', async () => {
    const { credentials } = await signUp();
    let answers: Answer[] = [];
    const looked = await evaluatedDuring(async () => {
      answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) => guess(credentials.email, somewhere(), i % 2 ? a : b)),
      );
    });
    expect(looked).toBe(5);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    answers.filter(({ status }) => status !== 401).forEach(expectThrottled);
  });

  it('After each further failure an account waits twice as long for the next try, up to 15 minutes', async () => {
    const { credentials } = await signUp();
    for (let i = 0; i < 5; i++) await guess(credentials.email);
    const delays: number[] = [];
    for (let i = 0; i < 6; i++) {
      delays.push(expectThrottled(await guess(credentials.email)));
      await letGatesPass();
      expect((await guess(credentials.email)).status).toBe(401);
    }
    expect(delays).toEqual([60, 120, 240, 480, 900, 900]);
  });

  it('Once the delay of an account is over, only one of 50 simultaneous guesses is checked', async () => {
    const { credentials } = await signUp();
    for (let i = 0; i < 5; i++) await guess(credentials.email);
    await letGatesPass();
    const looked = await evaluatedDuring(() =>
      Promise.all(Array.from({ length: 50 }, (_, i) => guess(credentials.email, somewhere(), i % 2 ? a : b))),
    );
    expect(looked).toBe(1);
  });

  it('After 100 failed logins in a row even the right password must wait for about a day', async () => {
    const { credentials } = await signUp();
    for (let i = 0; i < 5; i++) await guess(credentials.email);
    await database.query(`UPDATE rate_limits SET points = 95 WHERE key LIKE 'login_delayed:%'`);
    await letGatesPass();
    expect((await guess(credentials.email)).status).toBe(401);
    await letGatesPass();
    expect(expectThrottled(await a.login(credentials, from(somewhere())))).toBeGreaterThan(80_000);
    await database.query(`DELETE FROM rate_limits`);
    expect((await a.login(credentials, from(somewhere()))).status).toBe(200);
  });

  it('A login with the right password resets the count of failures of its account', async () => {
    const { credentials } = await signUp();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) expect((await guess(credentials.email)).status).toBe(401);
      expect((await a.login(credentials, from(somewhere()))).status).toBe(200);
    }
    for (let i = 0; i < 5; i++) await guess(credentials.email);
    await letGatesPass();
    expect((await a.login(credentials, from(somewhere()))).status).toBe(200);
    for (let i = 0; i < 5; i++) expect((await guess(credentials.email)).status).toBe(401);
  });

  it('Guessing at the password of an account does not affect its live sessions', async () => {
    const { credentials, accessToken, refreshToken } = await signUp();
    for (let i = 0; i < 6; i++) await guess(credentials.email);
    expect((await a.me(accessToken)).status).toBe(200);
    expect((await b.refresh(refreshToken)).status).toBe(200);
  });

  it('Guesses at a known and at an unknown account get the same answers', async () => {
    const known = (await signUp()).credentials.email;
    const unknown = someone().email;
    const seen = await Promise.all(
      [known, unknown].map(async (email) => {
        const answers: unknown[] = [];
        for (let i = 0; i < 7; i++) {
          const { status, headers, body } = await guess(i % 2 ? email.toUpperCase() : email);
          const { requestId: _, ...rest } = body as any;
          const names = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
          answers.push({ status, names, rest });
        }
        return answers;
      }),
    );
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[0]![6]).toMatchObject({ status: 429 });
  });

  it('The login delay of an account also applies at an instance that starts later', async () => {
    const { credentials } = await signUp();
    for (let i = 0; i < 5; i++) await guess(credentials.email);
    const restarted = await start();
    expectThrottled(await guess(credentials.email, somewhere(), restarted.api));
    await restarted.kill('SIGTERM');
    await letGatesPass();
  });

  it('The audit trail records each failed login, and once that the account was throttled', async () => {
    const { credentials, user } = await signUp();
    const address = somewhere();
    for (let i = 0; i < 9; i++) await guess(credentials.email, address);
    const rows = await database.query<{ type: string; reason: string | null; user_id: string | null }>(
      `SELECT type, reason, user_id FROM audit_events WHERE ip = $1 ORDER BY at, type`,
      [address],
    );
    expect(rows.filter(({ type }) => type === 'login_failed').map(({ user_id }) => user_id)).toEqual(
      Array.from({ length: 5 }, () => user.id),
    );
    expect(rows.filter(({ type }) => type === 'login_throttled')).toEqual([
      expect.objectContaining({ reason: 'account' }),
    ]);
  });
});

describe('guessing at many accounts', () => {
  it('One address gets 20 guesses a minute at different accounts, in a row or at once', async () => {
    for (const together of [false, true]) {
      const address = somewhere();
      const guesses = Array.from({ length: 60 }, (_, i) => () => guess(someone().email, address, i % 2 ? a : b));
      const looked = await evaluatedDuring(async () => {
        if (together) {
          await Promise.all(guesses.map((one) => one()));
        } else {
          for (const one of guesses) await one();
        }
      });
      expect(looked).toBe(20);
      const waiting = expectThrottled(await guess(someone().email, address));
      expect(waiting).toBeLessThanOrEqual(60);
      const rows = await database.query(`SELECT FROM audit_events WHERE ip = $1 AND type = 'login_throttled'`, [
        address,
      ]);
      expect(rows).toHaveLength(1);
    }
  });

  it.each([
    ['the addresses of one IPv6 /64 count as one', (i: number) => `2001:db8:1:2::${i.toString(16)}`, 20],
    ['IPv6 addresses of different /64 count separately', (i: number) => `2001:db8:2:${i.toString(16)}::1`, 40],
    ['spellings of one IPv6 address count as one', (i: number) => (i % 2 ? '2001:DB8:3:0:0::7' : '2001:db8:3::7'), 20],
    ['both forms of an IPv4 address count as one', (i: number) => (i % 2 ? '::ffff:198.51.100.7' : '198.51.100.7'), 20],
    ['IPv4 addresses in IPv6 count separately', (i: number) => `::ffff:203.0.113.${i}`, 40],
  ])('In the limit of guesses per address, %s', async (_, addressOf, expected) => {
    const looked = await evaluatedDuring(async () => {
      for (let i = 1; i <= 40; i++) await guess(someone().email, addressOf(i));
    });
    expect(looked).toBe(expected);
  });

  it('Logins with the right password do not count against the limit of their address', async () => {
    const { credentials } = await signUp();
    const address = somewhere();
    for (let i = 0; i < 30; i++) {
      expect((await a.login(credentials, from(address))).status).toBe(200);
    }
  });
});

describe('registering', () => {
  it('One address may register 10 accounts an hour, and a refused password does not count', async () => {
    const address = somewhere();
    const register = (password?: string) =>
      b.register({ ...someone(), ...(password !== undefined && { password }) }, from(address));
    for (let i = 0; i < 5; i++) expect((await register('short')).status).toBe(400);
    const answers = await Promise.all(Array.from({ length: 15 }, () => register()));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
    const refused = answers.find(({ status }) => status !== 201);
    expect(expectThrottled(refused!)).toBeGreaterThan(3000);
    expect((await b.register(someone(), from(somewhere()))).status).toBe(201);
  });
});

describe('asking for mails', () => {
  const throttled = (userId: string, type: string) =>
    database.query('SELECT reason FROM audit_events WHERE user_id = $1 AND type = $2', [userId, type]);

  it('One address may ask for 20 password resets an hour, for known and unknown accounts alike', async () => {
    const known = [await signUp(), await signUp()].map(({ credentials }) => credentials.email);
    const address = somewhere();
    const forgot = (email: string, from_ = address, api = a) =>
      api.call('POST', '/auth/password/forgot', { body: { email }, ...from(from_) });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => forgot(i % 3 ? someone().email : known[i % 2]!, address, i % 2 ? a : b)),
    );
    const asked = await database.query(`SELECT FROM audit_events WHERE ip = $1 AND type = 'password_reset_requested'`, [
      address,
    ]);
    expect(asked.length).toBeLessThanOrEqual(20);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(asked.length);
    answers.filter(({ status }) => status !== 202).forEach(expectThrottled);
    // One does not learn from the refusal whether there is such an account.
    const [one, other] = await Promise.all([forgot(known[0]!), forgot(someone().email)]);
    expect([one.status, { ...one.body, requestId: '' }]).toEqual([other.status, { ...other.body, requestId: '' }]);
    expectThrottled(one);
    const lines = await database.query(
      `SELECT FROM audit_events WHERE ip = $1 AND type = 'password_reset_throttled' AND reason = 'address'`,
      [address],
    );
    expect(lines).toHaveLength(1);
    // What was refused there used up nothing of an account.
    expect((await forgot((await signUp()).credentials.email, somewhere())).status).toBe(202);
  });

  it('One account may ask for 3 e-mail changes an hour, whatever addresses it asks from and changes to', async () => {
    const { accessToken, user } = await signUp();
    const other = await signUp();
    const change = (bearer: string, i: number) =>
      (i % 2 ? a : b).call('POST', '/auth/email/change', {
        bearer,
        body: { email: someone().email },
        ...from(somewhere()),
      });
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => change(accessToken, i)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(3);
    answers.filter(({ status }) => status !== 202).forEach(expectThrottled);
    expect(await throttled(user.id, 'email_change_requested')).toHaveLength(3);
    expect(await throttled(user.id, 'email_change_throttled')).toEqual([{ reason: 'account' }]);
    expect((await change(other.accessToken, 0)).status).toBe(202);
  });

  it('Mails of different kinds that one address asks for count together against its limit', async () => {
    const address = somewhere();
    const accounts = await Promise.all(Array.from({ length: 11 }, signUp));
    const answers = [];
    for (const { accessToken } of accounts) {
      const call = { bearer: accessToken, ...from(address) };
      answers.push(await a.call('POST', '/auth/email/resend', call));
      answers.push(await b.call('POST', '/auth/email/change', { ...call, body: { email: someone().email } }));
    }
    expect(statusesOf(answers)).toEqual([...Array.from({ length: 20 }, () => 202), 429, 429]);
  });

  it('Staff may send a user 3 password resets an hour, and requests of strangers do not count', async () => {
    const [staff, user] = [await signUp(), await signUp()];
    await database.query(`UPDATE users SET role = 'admin' WHERE id = $1`, [staff.user.id]);
    const { email } = user.credentials;
    for (let i = 0; i < 4; i++) {
      await a.call('POST', '/auth/password/forgot', { body: { email }, ...from(somewhere()) });
    }
    const answers = [];
    for (let i = 0; i < 5; i++) {
      answers.push(
        await b.call('POST', `/admin/users/${user.user.id}/password/reset`, { bearer: staff.accessToken, body: {} }),
      );
    }
    expect(statusesOf(answers)).toEqual([202, 202, 202, 429, 429]);
  });
});

describe('naming a device', () => {
  it('One user may rename a device 30 times a minute, counted over all devices and instances', async () => {
    const { accessToken, session, user, credentials } = await signUp();
    const phone = await a.login(credentials, from(somewhere()));
    const rename = (api: Api, bearer: string, deviceName: string) =>
      api.call('PATCH', `/sessions/${session.id}`, { bearer, body: { deviceName } });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        rename(i % 2 ? a : b, i % 3 ? accessToken : phone.body.accessToken, `Laptop ${i}`),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(30);
    answers.filter(({ status }) => status !== 200).forEach(expectThrottled);
    const told = (type: string) =>
      database.query('SELECT FROM audit_events WHERE user_id = $1 AND type = $2', [user.id, type]);
    expect(await told('session_renamed')).toHaveLength(30);
    expect(await told('rename_throttled')).toHaveLength(1);

    const other = await signUp();
    const named = await a.call('PATCH', `/sessions/${other.session.id}`, {
      bearer: other.accessToken,
      body: { deviceName: 'Phone' },
    });
    expect(named.body.device.name).toBe('Phone');
  });
});

describe('refreshing', () => {
  it('One session may refresh 30 times a minute, and a throttled refresh does not spend its token', async () => {
    const { refreshToken, session } = await signUp();
    let token = refreshToken;
    for (let i = 0; i < 30; i++) {
      const { status, body } = await (i % 2 ? a : b).refresh(token);
      expect(status).toBe(200);
      token = body.refreshToken;
    }
    for (let i = 0; i < 5; i++) {
      expect(expectThrottled(await a.refresh(token))).toBeLessThanOrEqual(60);
    }
    expect(
      await database.query(`SELECT FROM audit_events WHERE session_id = $1 AND type = 'refresh_throttled'`, [
        session.id,
      ]),
    ).toHaveLength(1);

    await age(database, session.id, 'rotation_window_at', '1 minute');
    expect((await b.refresh(token)).status).toBe(200);
  });

  it('Refreshes that get the same successor do not count against the limit of their session', async () => {
    const { refreshToken } = await signUp();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => (i % 2 ? a : b).refresh(refreshToken)));
    expect(new Set(statusesOf(answers))).toEqual(new Set([200]));
    expect((await a.refresh(answers[0]!.body.refreshToken)).status).toBe(200);
  });
});

describe('the detail of a refusal', () => {
  const WIDE = 'Too many tries. Wait as long as Retry-After says, then try again';
  let production: Instance;
  beforeAll(async () => {
    const env = { DATABASE_URL: database.url, NODE_ENV: 'production', LOG_LEVEL: 'info' };
    production = await startInstance({ env: { ...ENV, ...env, LOGIN_FREE_FAILURES: '5' } });
  });
  afterAll(() => production.kill('SIGTERM'));

  /** What each limit says when it is met, by the setting that it comes from. */
  async function detailsAt(api: Api): Promise<Record<string, string>> {
    const details: Record<string, string> = {};
    const headers = { 'x-forwarded-for': somewhere(), 'x-forwarded-proto': 'https' };
    const meet = async (setting: string, ask: () => Promise<Answer>) => {
      for (let i = 0; i < 40 && details[setting] === undefined; i++) {
        const { status, body } = await ask();
        if (status === 429) details[setting] = body.detail ?? body.error_description;
      }
    };
    const { body: ada } = await api.register(someone(), { headers });
    const bearer = ada.accessToken;
    const wrong = someone();
    const forgot = (email: string) => () => api.call('POST', '/auth/password/forgot', { body: { email }, headers });
    let refreshToken = ada.refreshToken;
    await meet('LOGIN_FREE_FAILURES', () => api.login(wrong, { headers }));
    await meet('LOGIN_FAILURES_PER_ADDRESS', () => api.login(someone(), { headers }));
    await meet('REGISTRATIONS_PER_ADDRESS', () => api.register(someone(), { headers }));
    await meet('TOKEN_MAILS_PER_ACCOUNT', forgot(wrong.email));
    await meet('TOKEN_MAILS_PER_ADDRESS', () => forgot(someone().email)());
    await meet('MAILED_TOKENS_PER_ADDRESS', () =>
      api.call('POST', '/auth/email/verify', { body: { token: 'x'.repeat(43) }, headers }),
    );
    await meet('RENAMES_PER_USER', () =>
      api.call('PATCH', `/sessions/${ada.session.id}`, { bearer, headers, body: { deviceName: 'Phone' } }),
    );
    const revoke = (token: string, others = headers, authorization?: string) =>
      postForm(api, '/oauth/revoke', { token }, { ...others, ...(authorization && { authorization }) });
    const wrongSecret = () => basic({ id: randomUUID(), clientSecret: 'wrong' });
    const oneClient = wrongSecret();
    await meet('CLIENT_FAILURES_PER_ADDRESS', () => revoke('x', headers, wrongSecret()));
    await meet('CLIENT_FAILURES_PER_CLIENT', () =>
      revoke('x', { ...headers, 'x-forwarded-for': somewhere() }, oneClient),
    );
    await meet('UNKNOWN_TOKENS_PER_ADDRESS', () => revoke('x'));
    await meet('REFRESHES_PER_SESSION', async () => {
      const answer = await api.call('POST', '/auth/refresh', { body: { refreshToken }, headers });
      refreshToken = answer.body.refreshToken ?? refreshToken;
      return answer;
    });
    return details;
  }

  it('Outside production each 429 names the setting to change', async () => {
    const details = await detailsAt(a);
    expect(Object.keys(details)).toEqual(expect.arrayContaining(['LOGIN_FREE_FAILURES', ...Object.keys(LIMITS)]));
    for (const [setting, detail] of Object.entries(details)) {
      expect(detail).toBe(`${WIDE}, or set ${setting} to allow more.`);
    }
  });

  it('In production no 429 names a setting', async () => {
    const details = await detailsAt(production.api);
    expect(Object.keys(details)).toHaveLength(Object.keys(LIMITS).length + 1);
    expect(new Set(Object.values(details))).toEqual(new Set([`${WIDE}.`]));
  });
});

it('While the store of the rate limits does not answer, a login gets 503 instead of passing unlimited', async () => {
  const postgres = await startPostgres();
  const instance = await start(postgres.url);
  const credentials = someone();
  await instance.api.register(credentials);
  postgres.pause();
  expect((await instance.api.login(credentials)).status).toBe(503);
  postgres.resume();
  await until('it answers again', async () => (await instance.api.login(credentials)).status === 200);
  await instance.kill('SIGTERM');
  await postgres.stop();
}, 60_000);
