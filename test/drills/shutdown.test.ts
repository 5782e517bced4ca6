import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { holdSockets } from '../support/held-sockets.js';
import { type Instance, startInstance } from '../support/instance.js';
import { holdUsers } from '../support/held-rows.js';
import { until } from '../support/until.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database?.drop());

it('On SIGTERM the service reports not ready, finishes what is under way, waits for no idle connection and exits with 0', async () => {
  const instance = await startInstance({ env: { DATABASE_URL: database.url, SHUTDOWN_DELAY_MS: '1000' } });
  const { api } = instance;
  const user = await api.signUp();

  // An idle connection that its client means to keep.
  const agent = new Agent({ keepAlive: true });
  const [response] = await once(get(`${instance.url}/health/live`, { agent }), 'response');
  response.resume();
  await once(response, 'end');

  // A login that cannot finish, for the row of its user is held.
  const rows = await holdUsers(database, [user.user.id]);
  const login = api.login(user.credentials);
  await rows.waiting('', 1);
  // Seen, and not yet written down.
  await api.me(user.accessToken);

  const gone = once(instance.process, 'exit');
  instance.process.kill('SIGTERM');
  await until('ready says 503', async () => (await api.call('GET', '/health/ready')).status === 503);
  expect((await api.me(user.accessToken)).status).toBe(200);
  await until('the door is closed', () =>
    api.call('GET', '/health/live').then(
      () => false,
      () => true,
    ),
  );
  await rows.release();

  expect((await login).status).toBe(200);
  expect(await gone).toEqual([0, null]);
  agent.destroy();
  const [row] = await database.query<{ used_generation: number }>(
    'SELECT used_generation FROM sessions WHERE id = $1',
    [user.session.id],
  );
  expect(row!.used_generation).toBe(1);
});

it('On SIGTERM the service stops in order within ten seconds, whatever connections clients hold open', async () => {
  const instance = await startInstance({ env: { DATABASE_URL: database.url } });
  const { accessToken } = await instance.api.signUp();
  const sockets = await holdSockets(instance, accessToken);
  const before = await stops();

  const startedAt = performance.now();
  expect(await instance.kill('SIGTERM')).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(await stops()).toBe(before + 1);
  sockets.forEach((socket) => socket.destroy());
});

describe.each(['SIGINT', 'SIGTERM'] as const)('%s', (signal) => {
  const stopping = (instance: Instance) =>
    until('it is stopping', () => instance.output().includes(`${signal}: finishing what is under way`));

  it(`A second ${signal} right after the first, as npm sends it at a Ctrl+C, does not break the stop off`, async () => {
    const env = { DATABASE_URL: database.url, LOG_LEVEL: 'info', SHUTDOWN_DELAY_MS: '500' };
    const instance = await startInstance({ env });
    await until('it has started', () => instance.output().includes('Try it'));
    const gone = once(instance.process, 'exit');
    instance.process.kill(signal);
    await stopping(instance);
    instance.process.kill(signal);
    expect(await gone).toEqual([0, null]);
    expect(instance.output()).toMatch(/ stopped\s*$/);
  });

  it(`A later ${signal} ends at once a service that is still stopping`, async () => {
    const env = { DATABASE_URL: database.url, LOG_LEVEL: 'info', SHUTDOWN_DELAY_MS: '60000' };
    const instance = await startInstance({ env });
    await until('it has started', () => instance.output().includes('Try it'));
    const gone = once(instance.process, 'exit');
    instance.process.kill(signal);
    await stopping(instance);
    await until('it has ended', () => !instance.process.kill(signal));
    expect(await gone).toEqual([1, null]);
    expect(instance.output()).toContain(`${signal} again: ending at once`);
  });
});

describe('SIGHUP', () => {
  it('SIGHUP does not end a process without workers, which logs that new code takes a restart', async () => {
    const instance = await startInstance({ env: { DATABASE_URL: database.url } });
    instance.process.kill('SIGHUP');
    await until('it says so', () => instance.output().includes('Restart the process for new code'));
    expect((await instance.api.call('GET', '/health/ready')).status).toBe(200);
    expect(await instance.kill('SIGTERM')).toBe(0);
  });

  it('The SIGHUP of a terminal that is closed stops the service in order', async () => {
    const before = await stops();
    const command = ['script', ['-qec', `${process.execPath} dist/main.js`, '/dev/null'], {}] as const;
    const terminal = await startInstance({ env: { DATABASE_URL: database.url }, command });
    await terminal.kill('SIGKILL');
    await until('it has ended', async () => (await stops()) === before + 1);
  });
});

async function stops(): Promise<number> {
  return (await database.query(`SELECT 1 FROM audit_events WHERE type = 'service_stopped'`)).length;
}
