import type { UnavailableError } from './errors.js';

const REPEATED_AFTER_MS = 60_000;

/** Warns of failures through the process, as Node.js itself does. The same one again after a minute. */
export function warnOf(): (error: UnavailableError) => void {
  const warnedAt = new Map<string, number>();
  return (error) => {
    const now = performance.now();
    const last = warnedAt.get(error.reason);
    if (last === undefined || now - last >= REPEATED_AFTER_MS) {
      warnedAt.set(error.reason, now);
      process.emitWarning(error.message, { type: 'LatchkeyVerifierWarning', code: error.reason });
    }
  };
}

/** Calls what the application wants to be called. What that throws is a warning, and changes no answer. */
export const guarded =
  (onError: (error: UnavailableError) => void) =>
  (error: UnavailableError): void => {
    try {
      onError(error);
    } catch (failure) {
      process.emitWarning(`onError failed: ${String(failure)}`, { type: 'LatchkeyVerifierWarning' });
    }
  };
