import { createDatabase, type TestDatabase } from '../support/database.js';
import { expectInvariants } from '../support/invariants.js';
import { type Instance, startInstance } from '../support/instance.js';

let database: TestDatabase;
let instance: Instance;
const start = async () => (instance = await startInstance({ env: { DATABASE_URL: database.url } }));

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(async () => {
  await instance?.kill('SIGKILL');
  await expectInvariants(database);
  await database.drop();
});

it('What was answered just before kill -9 holds after a restart, and a spent refresh token is recognised', async () => {
  for (let round = 0; round < 5; round++) {
    const { api } = await start();
    const laptop = await api.signUp();
    const phone = await api.signIn(laptop.credentials);
    const second = (await api.refresh(laptop.refreshToken)).body;
    const third = (await api.refresh(second.refreshToken)).body;

    expect((await api.endSession(laptop.accessToken, phone.session.id)).status).toBe(204);
    await instance.kill('SIGKILL');

    const { api: again } = await start();
    expect(await again.me(phone.accessToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    expect(await again.refresh(phone.refreshToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    expect((await again.me(third.accessToken)).status).toBe(200);
    expect(await again.refresh(laptop.refreshToken)).toMatchObject({
      status: 401,
      body: { code: 'refresh_token_reused' },
    });
    expect(await again.me(third.accessToken)).toMatchObject({ status: 401, body: { code: 'session_revoked' } });
    await instance.kill('SIGKILL');
  }
}, 90_000);

it('Every device can refresh again after the service is killed in the middle of many refreshes', async () => {
  const { api } = await start();
  const devices = await Promise.all(Array.from({ length: 8 }, () => api.signUp()));
  const newest = new Map(devices.map((device) => [device.session.id, device.refreshToken]));
  const refreshing = devices.map(async ({ session }) => {
    for (;;) {
      const answer = await api.refresh(newest.get(session.id)!);
      expect(answer.status).toBe(200);
      newest.set(session.id, answer.body.refreshToken);
    }
  });
  const settled = Promise.allSettled(refreshing);
  while (![...newest.values()].every((token) => Number(token.split('.')[2]) > 5)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await instance.kill('SIGKILL');
  for (const outcome of await settled) {
    expect(String((outcome as PromiseRejectedResult).reason)).toContain('fetch failed');
  }

  const { api: again } = await start();
  for (const token of newest.values()) {
    expect((await again.refresh(token)).status).toBe(200);
  }
}, 60_000);
