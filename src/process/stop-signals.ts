import cluster from 'node:cluster';

// A Ctrl+C reaches the whole group of processes, and npm sends its child the same signal once more.
const SAME_WITHIN_MS = 1000;

/**
 * Stops in order at the first SIGTERM or SIGINT. Within a second further ones are taken for the same one; a later one is
 * deliberate, and forces the end.
 */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void, force: (signal: NodeJS.Signals) => void): void {
  let firstAt: number | undefined;
  const receive = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      stop(signal);
    } else if (cluster.isPrimary && performance.now() - firstAt > SAME_WITHIN_MS) {
      // A worker is ended by its primary: where a whole group is signalled, that one sends the signal again.
      force(signal);
    }
  };
  process.on('SIGTERM', receive);
  process.on('SIGINT', receive);
}
