import { Client } from 'pg';
import { createVerifier, type Verifier } from '../../src/verifier/index.js';
import { type Answer, type Api, type AuthResult, someone } from '../support/api.js';
import { addClient, basic, postForm, signUpStaff, type TestClient } from '../support/clients.js';
import { type Instance, startInstance } from '../support/instance.js';
import { Introspector } from '../support/introspection.js';
import { expectInvariants } from '../support/invariants.js';
import { type OwnPostgres, startPostgres } from '../support/postgres.js';
import { recovered } from '../support/recovery.js';

// Every way to ask about a token, at two instances, while their database is frozen: no answer is a verdict.
let postgres: OwnPostgres;
let admin: Client;
let instances: Instance[];
let client: TestClient;
let verifiers: Verifier[];
let device: AuthResult;
let visit: string;

const ENV = { VISIT_COOKIE: 'on', RETURN_TO_ORIGINS: 'https://app.example.com', LOG_LEVEL: 'silent' };

beforeAll(async () => {
  postgres = await startPostgres();
  instances = await Promise.all([1, 2].map(() => startInstance({ env: { DATABASE_URL: postgres.url, ...ENV } })));
  admin = new Client({ connectionString: postgres.url });
  await admin.connect();
  const [{ api }] = instances as [Instance];
  client = await addClient(api, await signUpStaff(api, { query }), 'introspect', 'verify', 'revoke');
  device = await api.signUp();
  const answer = await api.register({ ...someone(), tokenDelivery: 'cookie' });
  [visit] = answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0]!)
    .filter((cookie) => /visit=/.test(cookie)) as [string];
  verifiers = instances.map(({ url }) =>
    createVerifier({ url, clientId: client.id, clientSecret: client.clientSecret, onError: () => undefined }),
  );
  // A verifier knows the keys from then on.
  await Promise.all(verifiers.map((verifier) => verifier.verify(device.accessToken)));
}, 90_000);

afterAll(async () => {
  await Promise.all((verifiers ?? []).map((verifier) => verifier.close()));
  await Promise.all((instances ?? []).map((instance) => instance.kill('SIGTERM')));
  try {
    await expectInvariants({ query }, { hasFaults: true });
  } finally {
    await admin?.end();
    await postgres?.stop();
  }
}, 60_000);

const query = async (sql: string, values?: unknown[]) => (await admin.query(sql, values)).rows;

interface Outcome {
  readonly status: number;
  readonly retryAfter: number;
  /** Everything else that the one who asked could take for an answer. */
  readonly said: string;
}

const outcomeOf = ({ status, headers, body }: Pick<Answer, 'status' | 'headers' | 'body'>): Outcome => ({
  status,
  retryAfter: Number(headers.get('retry-after')),
  said: JSON.stringify([
    body,
    [...headers].filter(([name]) => /^(x-latchkey|location|set-cookie|www-auth)/.test(name)),
  ]),
});

const introspect = async (api: Api, token: string, headers: Record<string, string> = {}) => {
  const { text, ...answer } = await new Introspector(api, client).send({ token }, headers);
  return outcomeOf({ ...answer, body: text });
};

/** Each with the status that it has where the database answers. */
const WAYS: Record<string, [status: number, ask: (api: Api, index: number) => Promise<Outcome>]> = {
  'a protected route, by bearer': [200, async (api) => outcomeOf(await api.me(device.accessToken))],
  '/verify, by bearer': [
    200,
    async (api) => outcomeOf(await api.call('GET', '/verify', { bearer: device.accessToken })),
  ],
  '/verify, by visit': [200, async (api) => outcomeOf(await api.call('GET', '/verify', { cookie: visit }))],
  '/verify for more than a session has': [
    403,
    async (api) => outcomeOf(await api.call('GET', '/verify?role=admin', { cookie: visit })),
  ],
  '/verify for a page, with a place to sign in': [
    200,
    async (api) =>
      outcomeOf(
        await api.call('GET', '/verify?sign_in=https://app.example.com/', {
          cookie: visit,
          headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' },
        }),
      ),
  ],
  'introspection of an access token': [200, (api) => introspect(api, device.accessToken)],
  'introspection of a refresh token': [200, (api) => introspect(api, device.refreshToken)],
  'introspection of what is no token': [200, (api) => introspect(api, 'nothing')],
  'signed introspection': [
    200,
    (api) => introspect(api, device.accessToken, { accept: 'application/token-introspection+jwt' }),
  ],
  'a batch': [
    200,
    async (api) => outcomeOf(await new Introspector(api, client).batch([device.accessToken, 'nothing'])),
  ],
  'a client with a wrong secret': [
    401,
    async (api) => outcomeOf(await new Introspector(api, { id: client.id, clientSecret: 'wrong' }).batch(['nothing'])),
  ],
  'the verifier of another service': [
    200,
    (_, index) =>
      verifiers[index]!.verify(device.accessToken).then(
        ({ sessionId }) => ({ status: 200, retryAfter: 0, said: sessionId }),
        (error) => ({ status: error.status, retryAfter: error.retryAfterSeconds ?? 0, said: error.detail }),
      ),
  ],
};

const askEverywhere = () =>
  Promise.all(
    Object.entries(WAYS).flatMap(([name, [, ask]]) =>
      instances.map(async ({ api }, index) => ({ name, at: index, ...(await ask(api, index)) })),
    ),
  );

const isWell = async () => (await askEverywhere()).every(({ name, status }) => status === WAYS[name]![0]);

/** What keeps the database from saying whether a session is open. Each returns how it ends. */
const FAULTS: Record<
  string,
  { readonly begin: () => Promise<() => Promise<void>>; readonly without: readonly string[] }
> = {
  'is frozen': {
    begin() {
      postgres.pause();
      return Promise.resolve(() => Promise.resolve(postgres.resume()));
    },
    without: [],
  },
  // The client is known all the same, so that what follows its authentication has to fail by itself.
  'answers about no session': {
    async begin() {
      const holder = new Client({ connectionString: postgres.url });
      await holder.connect();
      await holder.query('BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE');
      return () => holder.end();
    },
    without: ['introspection of what is no token', 'a client with a wrong secret'],
  },
};

describe.each(Object.entries(FAULTS))('While the database %s', (_, { begin, without }) => {
  it('every way to ask is 503, with when to try again and without a verdict', async () => {
    expect(await isWell()).toBe(true);
    const end = await begin();
    const answers = (await askEverywhere()).filter(({ name }) => !without.includes(name));
    await end();
    for (const { name, at, status, retryAfter, said } of answers) {
      expect([name, at, status]).toEqual([name, at, 503]);
      expect([name, retryAfter > 0]).toEqual([name, true]);
      expect(said).not.toMatch(
        /active|x-latchkey|location|set-cookie|www-authenticate|session_|invalid_|insufficient/i,
      );
    }
    await recovered('asked by others', isWell);
    // Nothing was spent or ended by asking.
    const { status, body } = await instances[1]!.api.refresh(device.refreshToken);
    expect(status).toBe(200);
    device = { ...device, ...body };
  }, 120_000);

  it('no revocation is confirmed, and sent again afterwards it holds at both instances', async () => {
    const [{ api: a }, { api: b }] = instances as [Instance, Instance];
    const [holder, other, everywhere] = [await a.signUp(), await a.signUp(), await a.signUp()];
    const revoke: Record<string, [status: number, ask: (api: Api) => Promise<Answer>]> = {
      'by the holder of the token': [200, (api) => postForm(api, '/oauth/revoke', { token: holder.refreshToken })],
      'by a service': [
        200,
        (api) => postForm(api, '/oauth/revoke', { token: other.accessToken }, { authorization: basic(client) }),
      ],
      'of all sessions of a user': [
        204,
        (api) =>
          api.call('POST', '/oauth/global-token-revocation', {
            headers: { authorization: basic(client) },
            body: { sub_id: { format: 'opaque', id: everywhere.user.id } },
          }),
      ],
    };
    const end = await begin();
    const answers = await Promise.all(
      Object.entries(revoke).map(async ([name, [, ask]], index) => ({
        name,
        ...outcomeOf(await ask([a, b][index % 2]!)),
      })),
    );
    await end();
    for (const { name, status, retryAfter } of answers) {
      expect([name, status, retryAfter > 0]).toEqual([name, 503, true]);
    }

    await recovered('revoked by others', async () => {
      const again = await Promise.all(Object.values(revoke).map(([, ask]) => ask(b)));
      return again.every(({ status }, index) => status === Object.values(revoke)[index]![0]);
    });
    for (const { accessToken, refreshToken } of [holder, other, everywhere]) {
      expect((await Promise.all([a.me(accessToken), b.me(accessToken)])).map(({ status }) => status)).toEqual([
        401, 401,
      ]);
      expect((await a.refresh(refreshToken)).status).toBe(401);
    }
  }, 120_000);
});
