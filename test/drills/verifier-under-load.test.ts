import type { AuthResult } from '../support/api.js';
import { addClient, signUpStaff } from '../support/clients.js';
import { useInstances } from '../support/instances.js';
import { type ProtectedService, serveExpress, serveFastify } from '../support/protected-services.js';
import { until } from '../support/until.js';
import { makeVerifier } from '../support/verifiers.js';

// Two services of others, each of which asks another instance.
const t = useInstances(2, { env: { SESSION_CHECK_TIMEOUT_MS: '30000' } });

const statusOf = async ({ api }: ProtectedService, { accessToken }: AuthResult) =>
  (await api.call('GET', '/mine', { bearer: accessToken })).status;

it('With two instances and requests all the time, no request that starts after an answered logout is served', async () => {
  const client = await addClient(t.a, await signUpStaff(t.a, t.database), 'verify');
  const services = await Promise.all([
    serveExpress(makeVerifier(t.a.url, client).verifier),
    serveFastify(makeVerifier(t.b.url, client).verifier),
  ]);
  const owner = await t.a.signUp();
  const control = await t.b.signIn(owner.credentials);
  const counts = { served: 0, servedAfterEnd: 0, refused: 0, controlServed: 0, controlRefused: 0 };
  let current = { device: control, isEnded: false };
  let isRunning = true;
  const clients = Array.from({ length: 32 }, async (_, i) => {
    while (isRunning) {
      const service = services[i % 2]!;
      // Those that tell apart "refused because it has ended" from "refused".
      if (i % 8 < 2) {
        counts[(await statusOf(service, control)) === 200 ? 'controlServed' : 'controlRefused']++;
        continue;
      }
      const { device, isEnded } = current;
      const isServed = (await statusOf(service, device)) === 200;
      counts[isServed ? (isEnded ? 'servedAfterEnd' : 'served') : 'refused']++;
    }
  });
  for (let turn = 0; turn < 200; turn++) {
    const device = await (turn % 2 ? t.a : t.b).signIn(owner.credentials);
    const { served, refused } = counts;
    const now = { device, isEnded: false };
    current = now;
    await until('it is served', () => counts.served >= served + 8);
    const { status } = await (turn % 3 ? t.a : t.b).logout(device.refreshToken);
    now.isEnded = true;
    expect(status).toBe(204);
    await until('it is refused', () => counts.refused >= refused + 8);
  }
  isRunning = false;
  await Promise.all(clients);
  expect(counts).toEqual({
    ...counts,
    servedAfterEnd: 0,
    controlRefused: 0,
  });
  expect(counts.controlServed).toBeGreaterThan(200);
  await Promise.all(services.map((service) => service.close()));
}, 300_000);
