import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff } from '../support/clients.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.js';
import { type Instance, startInstance } from '../support/instance.js';
import { Introspector } from '../support/introspection.js';
import { until } from '../support/until.js';

// What each call costs the database, in statements: the one figure that does not depend on the machine.
let database: TestDatabase;
let proxy: DatabaseProxy;
let instance: Instance;

beforeAll(async () => {
  database = await createDatabase();
  proxy = await startDatabaseProxy(database.url);
  instance = await startInstance({ env: { DATABASE_URL: proxy.url, RATE_LIMIT: 'on', LOGIN_MAX_FAILURES: '100' } });
});

afterAll(async () => {
  await instance?.kill('SIGTERM');
  proxy?.stop();
  await database.drop();
});

// Mails and last-seen times of what came before are written by then.
const quiet = () =>
  until('nothing is asked', async () => {
    const before = proxy.statements();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return proxy.statements() === before;
  });

/** The fewest of several tries: now and then something else is asked meanwhile, such as the last-seen times. */
async function statementsOf(call: () => Promise<{ status: number }>): Promise<number> {
  const counts: number[] = [];
  while (counts.length < 5) {
    await quiet();
    const before = proxy.statements();
    const { status } = await call();
    expect(status).toBeLessThan(300);
    counts.push(proxy.statements() - before);
  }
  return Math.min(...counts);
}

it('A session check, a refresh and each kind of logout take one statement each, and a login twelve', async () => {
  const { api } = instance;
  const account = await api.signUp();
  const devices: AuthResult[] = [];
  while (devices.length < 25) devices.push(await api.signIn(account.credentials));
  const next = () => devices.pop()!;
  const apart = await Promise.all(Array.from({ length: 5 }, () => api.signUp()));
  let { refreshToken } = next();

  expect({
    me: await statementsOf(() => api.me(account.accessToken)),
    list: await statementsOf(() => api.sessions(account.accessToken)),
    refresh: await statementsOf(async () => {
      const answer = await api.refresh(refreshToken);
      ({ refreshToken } = answer.body);
      return answer;
    }),
    'logout by refresh token': await statementsOf(() => api.logout(next().refreshToken)),
    'logout of another device': await statementsOf(() => api.endSession(account.accessToken, next().session.id)),
    'logout-others': await statementsOf(() => api.logoutOthers(account.accessToken)),
    'logout-all': await statementsOf(() => api.logoutAll(apart.pop()!.refreshToken)),
    login: await statementsOf(() => api.login(account.credentials)),
  }).toEqual({
    me: 1,
    // The check, and the list.
    list: 2,
    refresh: 1,
    'logout by refresh token': 1,
    'logout of another device': 2,
    'logout-others': 2,
    'logout-all': 1,
    login: 12,
  });
}, 120_000);

it('Protected requests that wait together share statements', async () => {
  const { api } = instance;
  const account = await api.signUp();
  await until('all is quiet', async () => (await statementsOf(() => api.me(account.accessToken))) === 1);

  const before = proxy.statements();
  proxy.delay(30);
  const answers = await Promise.all(Array.from({ length: 100 }, () => api.me(account.accessToken)));
  proxy.delay(0);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(proxy.statements() - before).toBeLessThan(50);
});

it('Introspections that wait together share their statements: one for the clients, and one for the sessions', async () => {
  const { api } = instance;
  const { accessToken } = await api.signUp();
  const staff = await signUpStaff(api, database);
  const services = [await addClient(api, staff, 'introspect'), await addClient(api, staff, 'introspect')].map(
    (client) => new Introspector(api, client),
  );
  const ask = (index: number) => services[index % 2]!.send({ token: accessToken });
  // The use of their secrets is written down once a minute.
  await Promise.all([ask(0), ask(1)]);
  await until('all is quiet', async () => (await statementsOf(() => ask(0))) === 2);

  const before = proxy.statements();
  proxy.delay(30);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(index)));
  proxy.delay(0);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(proxy.statements() - before).toBeLessThan(100);
});
