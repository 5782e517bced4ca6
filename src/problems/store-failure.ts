import { codeOf } from './error-code.js';

// SQLSTATE classes and codes that say "not now", as opposed to "you asked something wrong":
// 08 connection, 40 rollback or outcome unknown, 53 resources, 55P03 lock, 57 intervention, 58 system, XX internal. A standby says
// 25006 read-only, 55000 recovery is in progress, and 0A000 of unlogged tables; so does a cached plan of a former schema.
const TRANSIENT_SQLSTATE = /^(08|40|53|57|58|XX)|^(0A000|25006|55000|55P03)$/;
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
// The driver raises these without a code.
const DRIVER_MESSAGES =
  /^(Connection terminated|Query read timeout|timeout (expired|exceeded)|Client (has encountered|was closed)|Cannot use a pool after)|Driver not Connected|The database is not connected|not queryable/;

/**
 * Whether an error says that the database could not be asked or could not finish: the outcome is unknown and
 * the same request may be tried again. A constraint violation or a mistake in the SQL is not one.
 */
export function isStoreFailure(error: unknown): boolean {
  if (!(error instanceof Error)) {
    return false;
  }
  if (error instanceof AggregateError) {
    return error.errors.some(isStoreFailure);
  }
  // TypeORM wraps the driver's error.
  if ('driverError' in error && error.driverError !== error && isStoreFailure(error.driverError)) {
    return true;
  }
  const code = codeOf(error);
  return (
    NETWORK_CODES.has(code) ||
    (code.length === 5 && TRANSIENT_SQLSTATE.test(code)) ||
    DRIVER_MESSAGES.test(error.message)
  );
}
