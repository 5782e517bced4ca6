const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Waits, and no longer than until the signal.
 *
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      globalThis.removeEventListener?.('online', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end);
    // Over at once where the network comes back; Node.js has no such event.
    globalThis.addEventListener?.('online', end);
  });
}

/** The pauses between tries, each twice as long as the one before. */
export class Pauses {
  #next = FIRST_PAUSE_MS;

  reset() {
    this.#next = FIRST_PAUSE_MS;
  }

  /** @param {AbortSignal} [signal] */
  take(signal) {
    const wait = this.#next;
    this.#next = Math.min(wait * 2, LONGEST_PAUSE_MS);
    return pause(wait, signal);
  }
}
