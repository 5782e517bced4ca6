import { until } from './until.js';

/** Waits until the service is well again after a fault. FAULT_TIMES=1 prints how long that took. */
export async function recovered(fault: string, isWell: () => Promise<boolean>, timeoutSeconds = 30): Promise<void> {
  const startedAt = performance.now();
  await until(`it recovers: ${fault}`, isWell, timeoutSeconds);
  if (process.env['FAULT_TIMES']) {
    process.stderr.write(`recovered in ${Math.round(performance.now() - startedAt)} ms: ${fault}\n`);
  }
}
