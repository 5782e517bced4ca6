import { Api, type AuthResult } from '../support/api.js';
import { startInstance } from '../support/instance.js';
import { useInstances } from '../support/instances.js';

// Two processes on one database: what one answers must hold at the other.
const t = useInstances(2, { env: { MAX_SESSIONS_PER_USER: '1000', PASSWORD_HASH_PARALLEL: '2' } });

const both = <T>(ask: (api: Api) => Promise<T>): Promise<T[]> => Promise.all([t.a, t.b].map(ask));
const statuses = async ({ accessToken }: AuthResult) =>
  (await both((api) => api.me(accessToken))).map(({ status }) => status);

it('Of three devices, a logout ends one and a logout of all ends the rest, at once at both instances', async () => {
  const laptop = await t.a.signUp();
  const phone = await t.b.signIn(laptop.credentials);
  const tablet = await t.a.signIn(laptop.credentials);

  expect((await t.a.logout(phone.refreshToken)).status).toBe(204);
  expect(await statuses(phone)).toEqual([401, 401]);
  expect((await both((api) => api.refresh(phone.refreshToken))).map(({ status }) => status)).toEqual([401, 401]);
  expect([await statuses(laptop), await statuses(tablet)]).toEqual([
    [200, 200],
    [200, 200],
  ]);

  expect(await t.b.logoutAll(tablet.refreshToken)).toMatchObject({ status: 200, body: { revoked: 2 } });
  for (const device of [laptop, phone, tablet]) {
    expect(await statuses(device)).toEqual([401, 401]);
    expect((await both((api) => api.refresh(device.refreshToken))).map(({ status }) => status)).toEqual([401, 401]);
  }
});

it('Under 64 busy connections, no request that starts after the answer to a revocation is served', async () => {
  const REVOCATIONS = 300;
  const owner = await t.a.signUp();
  const devices: AuthResult[] = [];
  while (devices.length < REVOCATIONS) {
    devices.push(...(await Promise.all([t.a, t.b, t.a, t.b].map((api) => api.signIn(owner.credentials)))));
  }

  const endedAt = new Map<string, number>();
  const log: { id: string; startedAt: number; status: number; code: string | undefined }[] = [];
  let isRunning = true;
  let next = 0;
  const asker = async (api: Api, seed: number) => {
    for (let i = seed; isRunning; i++) {
      // Around the device whose turn it is: just ended, ending, about to end.
      const { session, accessToken } = devices[Math.max(0, Math.min(devices.length - 1, next - 2 + (i % 4)))]!;
      const startedAt = performance.now();
      const { status, body } = await api.me(accessToken);
      log.push({ id: session.id, startedAt, status, code: body.code });
    }
  };
  const askers = Array.from({ length: 64 }, (_, i) => asker(i % 2 ? t.a : t.b, i));
  for (next = 0; next < REVOCATIONS; next++) {
    const { session } = devices[next]!;
    expect((await (next % 2 ? t.a : t.b).endSession(owner.accessToken, session.id)).status).toBe(204);
    endedAt.set(session.id, performance.now());
  }
  isRunning = false;
  await Promise.all(askers);

  const after = log.filter(({ id, startedAt }) => startedAt > (endedAt.get(id) ?? Infinity));
  const before = log.filter(({ id, startedAt }) => startedAt < (endedAt.get(id) ?? Infinity));
  expect(after.length).toBeGreaterThan(REVOCATIONS);
  expect(before.some(({ status }) => status === 200)).toBe(true);
  expect(after.filter(({ status, code }) => status !== 401 || code !== 'session_revoked')).toEqual([]);
}, 400_000);

it('Refreshing one token 50 times at once over two instances gives one and the same successor, 200 times', async () => {
  const { refreshToken, session } = await t.a.signUp();
  let token = refreshToken;
  for (let round = 1; round <= 200; round++) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 ? t.a : t.b).refresh(token)));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const successors = new Set(answers.map(({ body }) => body.refreshToken));
    expect(successors.size).toBe(1);
    [token] = [...successors] as [string];
    const [row] = await t.database.query<{ generation: number }>('SELECT generation FROM sessions WHERE id = $1', [
      session.id,
    ]);
    expect(row!.generation).toBe(round + 1);
  }
}, 180_000);

const ROUNDS = 500;

it.each(['logout', 'logout-all'] as const)(
  'No token works after a refresh races a %s, in any of 500 rounds',
  async (end) => {
    const user = await t.a.signUp();
    const tally = { refreshFirst: 0, endFirst: 0 };
    const round = async (i: number) => {
      const device = end === 'logout' ? await t.a.signIn(user.credentials) : await t.a.signUp();
      const [one, other] = i % 2 ? [t.a, t.b] : [t.b, t.a];
      const [refreshed, ended] = await Promise.all([
        one.refresh(device.refreshToken),
        end === 'logout' ? other.logout(device.refreshToken) : other.logoutAll(device.refreshToken),
      ]);
      expect(ended.status).toBe(end === 'logout' ? 204 : 200);
      tally[refreshed.status === 200 ? 'refreshFirst' : 'endFirst']++;

      const out = [device, ...(refreshed.status === 200 ? [refreshed.body] : [])];
      for (const { accessToken, refreshToken } of out) {
        const answers = await Promise.all([
          t.a.me(accessToken),
          t.b.me(accessToken),
          t.a.refresh(refreshToken),
          t.b.refresh(refreshToken),
        ]);
        expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
      }
    };
    for (let i = 0; i < ROUNDS; i += 4) {
      await Promise.all([0, 1, 2, 3].map((j) => round(i + j)));
    }
    // Both orders happened, or nothing was raced.
    expect(Math.min(tally.refreshFirst, tally.endFirst)).toBeGreaterThan(0);
  },
  240_000,
);

it('The cap of sessions holds when one user logs in at two instances at once', async () => {
  const small = await Promise.all(
    [1, 2].map(() => startInstance({ env: { DATABASE_URL: t.database.url, MAX_SESSIONS_PER_USER: '3' } })),
  );
  try {
    const { credentials, user } = await t.a.signUp();
    await Promise.all(Array.from({ length: 12 }, (_, i) => small[i % 2]!.api.signIn(credentials)));
    const [row] = await t.database.query<{ active: number }>(
      'SELECT count(*)::integer AS active FROM sessions WHERE user_id = $1 AND revoked_at IS NULL',
      [user.id],
    );
    expect(row!.active).toBe(3);
  } finally {
    await Promise.all(small.map((instance) => instance.kill('SIGTERM')));
  }
});
