import { until } from './until.js';

const CLIENTS = 16;

interface Device {
  readonly session: { readonly id: string };
}

interface Accepted {
  readonly id: string;
  readonly startedAt: number;
}

/**
 * Ends one session after the other, while clients ask with all of them and do not stop before many more were refused. Returns
 * what was accepted, and what of it had started after the answer that its session was ended.
 */
export async function endUnderLoad<T extends Device>(
  devices: readonly T[],
  ask: (device: T, turn: number) => Promise<{ readonly status: number }>,
  end: (device: T) => Promise<unknown>,
): Promise<{ accepted: Accepted[]; tooLate: Accepted[] }> {
  const endedAt = new Map<string, number>();
  const accepted: Accepted[] = [];
  let refused = 0;
  let isRunning = true;
  const clients = Array.from({ length: CLIENTS }, async (_, i) => {
    for (let turn = i; isRunning; turn++) {
      const device = devices[turn % devices.length]!;
      const startedAt = performance.now();
      const { status } = await ask(device, turn);
      if (status === 200) accepted.push({ id: device.session.id, startedAt });
      else refused++;
    }
  });
  for (const device of devices) {
    await end(device);
    endedAt.set(device.session.id, performance.now());
  }
  const before = refused;
  await until('many more were refused', () => refused > before + 100);
  isRunning = false;
  await Promise.all(clients);
  return { accepted, tooLate: accepted.filter(({ id, startedAt }) => startedAt > (endedAt.get(id) ?? Infinity)) };
}
