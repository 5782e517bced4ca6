import { randomBytes } from 'node:crypto';
import { jwtVerify } from 'jose';
import { Api, type AuthResult } from '../support/api.js';
import { runClientAdd } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { claimsOf, resign, signed } from '../support/forge.js';
import { freePort } from '../support/free-port.js';
import { type Instance, startInstance } from '../support/instance.js';
import { expectInvariants } from '../support/invariants.js';
import { printedBelow, printedService, usePrintedServices } from '../support/printed.js';
import { until } from '../support/until.js';

// The way of src/oauth/README.md from a shared JWT_SECRET to services that ask, step by step.
const SHARED = randomBytes(32).toString('hex');
const run = usePrintedServices();
let database: TestDatabase;
let port: number;
let latchkey: Instance;
let env: Record<string, string>;

const start = (settings: Record<string, string>) =>
  startInstance({ env: { DATABASE_URL: database.url, PORT: String(port), ...settings } });

beforeAll(async () => {
  database = await createDatabase();
  port = await freePort();
  latchkey = await start({ JWT_ALGORITHM: 'HS256', JWT_SECRET: SHARED });
  const { stdout } = await runClientAdd(database.url, 'orders', '--scope', 'introspect,verify');
  const [, id = '', secret = ''] = /client_id: (\S+)\s+client_secret: (\S+)/.exec(stdout) ?? [];
  env = { LATCHKEY_URL: latchkey.url, LATCHKEY_CLIENT_ID: id, LATCHKEY_CLIENT_SECRET: secret };
}, 60_000);

afterAll(async () => {
  try {
    await expectInvariants(database, { api: latchkey.api, hasFaults: true });
  } finally {
    await latchkey.kill('SIGTERM');
    await database.drop();
  }
});

/** What a service does that has the secret. */
const isAcceptedBySecret = (token: string): Promise<boolean> =>
  jwtVerify(token, new TextEncoder().encode(SHARED), { typ: 'at+jwt', issuer: 'latchkey', audience: 'latchkey' }).then(
    () => true,
    () => false,
  );

/** A service as it is printed, and what it answers to a token. */
async function runService(source: string) {
  const servicePort = await freePort();
  const child = await run(source, servicePort, env);
  const orders = new Api(`http://127.0.0.1:${servicePort}`);
  return { child, ask: (bearer?: string) => orders.call('GET', '/orders', bearer === undefined ? {} : { bearer }) };
}

it('A service with the secret accepts ended sessions and can make tokens for anybody, which Latchkey refuses', async () => {
  const { accessToken, refreshToken, user } = await latchkey.api.signUp();
  await latchkey.api.logout(refreshToken);
  expect(await isAcceptedBySecret(accessToken)).toBe(true);
  const other = await latchkey.api.signUp();
  const made = signed({ ...claimsOf(other.accessToken), sub: user.id }, SHARED);
  expect(await isAcceptedBySecret(made)).toBe(true);
  expect((await latchkey.api.me(made)).body.code).toBe('invalid_token');
});

it('The steps of the page lead a service from the secret to asking, and its users stay signed in', async () => {
  const service = await runService(printedBelow('Taking the secret back', 'src/oauth/README.md'));
  const expectStrict = async ({ ask }: Pick<typeof service, 'ask'>) => {
    const login: AuthResult = await latchkey.api.signUp();
    expect(await ask(login.accessToken)).toMatchObject({ status: 200, body: { of: login.user.id } });
    expect((await ask(login.refreshToken)).status).toBe(401);
    await latchkey.api.logout(login.refreshToken);
    for (const token of [login.accessToken, resign(login, randomBytes(32).toString('hex')), undefined]) {
      const refused = await ask(token);
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringMatching(/^Bearer/),
      ]);
    }
  };

  // 1. It asks, while Latchkey signs as before.
  await expectStrict(service);
  const user = await latchkey.api.signUp();
  expect((await service.ask(user.accessToken)).status).toBe(200);

  // 2. and 3. Nobody else has a secret any more. While Latchkey is away there is no verdict.
  await latchkey.kill('SIGTERM');
  const away = await service.ask(user.accessToken);
  expect([away.status, away.headers.get('retry-after')]).toEqual([503, '1']);
  latchkey = await start({ JWT_SECRET: randomBytes(32).toString('hex') });
  await until('the service reaches it', async () => (await service.ask(user.accessToken)).status !== 503);
  expect((await service.ask(user.accessToken)).status).toBe(401);
  const { status, body } = await latchkey.api.refresh(user.refreshToken);
  expect(status).toBe(200);
  expect(await service.ask(body.accessToken)).toMatchObject({ status: 200, body: { of: user.user.id } });
  // What the old secret signs, even about a session that is open.
  const forged = signed(claimsOf(body.accessToken), SHARED);
  expect((await service.ask(forged)).status).toBe(401);
  await expectStrict(service);

  // 4. The verifier, with the same client.
  const verifying = await runService(printedService('Express'));
  expect((await verifying.ask(forged)).status).toBe(401);
  await expectStrict(verifying);
}, 60_000);
