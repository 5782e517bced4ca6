import type { UnavailableError, VerifierSettingsError } from './errors.js';

const REPEATED_AFTER_MS = 60_000;

/** What developers should know of, and no client. */
export type Report = (error: UnavailableError | VerifierSettingsError) => void;

/** Reports the first error of each reason, and the next one of it after a minute. */
export function onceAMinute(report: Report): Report {
  const reportedAt = new Map<string, number>();
  return (error) => {
    const now = performance.now();
    const last = reportedAt.get(error.reason);
    if (last === undefined || now - last >= REPEATED_AFTER_MS) {
      reportedAt.set(error.reason, now);
      report(error);
    }
  };
}

/** Warns of failures through the process, as Node.js itself does. The same one again after a minute. */
export const warnOf = (): Report =>
  onceAMinute(({ message, reason }) => process.emitWarning(message, { type: 'LatchkeyVerifierWarning', code: reason }));

/** Calls what the application wants to be called. What that throws is a warning, and changes no answer. */
export const guarded =
  (onError: Report): Report =>
  (error) => {
    try {
      onError(error);
    } catch (failure) {
      process.emitWarning(`onError failed: ${String(failure)}`, { type: 'LatchkeyVerifierWarning' });
    }
  };
