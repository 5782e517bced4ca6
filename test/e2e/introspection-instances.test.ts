import { addClient, signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { Introspector } from '../support/introspection.js';

const REVOCATIONS = 100;
const ASKERS = 16;

// A busy machine must not turn a slow answer into 503.
const t = useInstances(2, { env: { SESSION_CHECK_TIMEOUT_MS: '30000', DATABASE_CONNECT_TIMEOUT_MS: '30000' } });
let service: Introspector;
beforeAll(async () => {
  service = new Introspector(t.a, await addClient(t.a, await signUpStaff(t.a, t.database), 'introspect', 'verify'));
});

it('A session that was ended at one instance is inactive at the other from the answer on, under load', async () => {
  const [a, b] = [service, service.at(t.b)];
  const others = await Promise.all(Array.from({ length: 20 }, () => t.a.signUp()));
  const counts = { asked: 0, activeBefore: 0, revoked: 0, activeAfter: 0, othersRefused: 0 };

  // Other services, which never stop to ask.
  let isRunning = true;
  const load = Promise.all(
    Array.from({ length: ASKERS }, async (_, i) => {
      while (isRunning) {
        const at = i % 2 === 0 ? a : b;
        const { accessToken } = others[i % others.length]!;
        const { body } = await at.batch(others.map((one) => one.accessToken).concat(accessToken));
        counts.asked += body.results.length;
        counts.othersRefused += body.results.filter(({ active }: any) => !active).length;
      }
    }),
  );
  try {
    await Promise.all(
      Array.from({ length: 4 }, async (_, lane) => {
        for (let i = lane; i < REVOCATIONS; i += 4) {
          const [here, there] = i % 2 === 0 ? [a, b] : [b, a];
          const { accessToken, refreshToken } = await here.api.signUp();
          const before = await Promise.all([there.isActive(accessToken), there.isActive(refreshToken)]);
          counts.activeBefore += before.filter(Boolean).length;

          const { status } = await here.api.logout(refreshToken);
          counts.revoked += status === 204 ? 1 : 0;

          const { body } = await there.batch([accessToken]);
          const after = [await there.isActive(accessToken), await there.isActive(refreshToken), body.results[0].active];
          counts.activeAfter += after.filter(Boolean).length;
        }
      }),
    );
  } finally {
    isRunning = false;
    await load;
  }
  expect(counts).toMatchObject({
    activeBefore: 2 * REVOCATIONS,
    revoked: REVOCATIONS,
    activeAfter: 0,
    othersRefused: 0,
  });
  expect(counts.asked).toBeGreaterThan(REVOCATIONS);
}, 120_000);
