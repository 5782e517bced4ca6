import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { Introspector } from '../support/introspection.js';
import { until } from '../support/until.js';

const REVOCATIONS = 100;
const ASKERS = 16;
const CLIENTS = 50;

// A busy machine must not turn a slow answer into 503.
const t = useInstances(2, { env: { SESSION_CHECK_TIMEOUT_MS: '30000', DATABASE_CONNECT_TIMEOUT_MS: '30000' } });
let staff: AuthResult;
let service: Introspector;
beforeAll(async () => {
  staff = await signUpStaff(t.a, t.database);
  service = new Introspector(t.a, await addClient(t.a, staff, 'introspect', 'verify'));
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

it('A client that was ended at one instance is refused at both from the answer on, under load of it and of others', async () => {
  const { accessToken } = await t.a.signUp();
  const apis = [t.a, t.b];
  const [ended, refusedBefore, othersRefused] = [new Set<string>(), [], []] as [Set<string>, string[], string[]];
  const [letInAfter, refusedAfter] = [[], []] as [string[], string[]];
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => addClient(t.a, staff, 'introspect')));
  let current = 0;

  let isRunning = true;
  const load = Promise.all(
    Array.from({ length: ASKERS }, async (_, asker) => {
      const api = apis[asker % 2]!;
      for (let turn = asker; isRunning; turn++) {
        const { id, clientSecret } = clients[Math.max(0, Math.min(CLIENTS - 1, current - 1 + (turn % 3)))]!;
        const wasEnded = ended.has(id);
        const [{ status }, other] = await Promise.all([
          new Introspector(api, { id, clientSecret }).send({ token: accessToken }),
          service.at(api).send({ token: accessToken }),
        ]);
        if (wasEnded) (status === 401 ? refusedAfter : letInAfter).push(id);
        else if (status !== 200 && clients.findIndex((client) => client.id === id) > current) refusedBefore.push(id);
        if (other.status !== 200) othersRefused.push(other.text);
      }
    }),
  );
  try {
    for (; current < CLIENTS; current++) {
      const { id } = clients[current]!;
      const { status } = await t.a.call('DELETE', `/admin/clients/${id}`, { bearer: staff.accessToken });
      expect(status).toBe(204);
      ended.add(id);
    }
    await until('the last ones are refused', () => refusedAfter.length > CLIENTS);
  } finally {
    isRunning = false;
    await load;
  }
  expect({ letInAfter, refusedBefore, othersRefused }).toEqual({
    letInAfter: [],
    refusedBefore: [],
    othersRefused: [],
  });
}, 120_000);
