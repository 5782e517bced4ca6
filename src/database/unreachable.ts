import { codeOf } from '../problems/error-code.js';
import { StartError } from '../problems/start-error.js';
import { isStoreFailure } from '../problems/store-failure.js';
import { type PostgresOptions, urlSettingOf } from './database-options.js';

const REFUSED_SQLSTATE = /^(28|3D)/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** There is no answer, or the credentials are refused. */
export class DatabaseUnreachableError extends StartError {
  constructor(options: PostgresOptions, error: unknown) {
    super(`The database ${nameOf(options)} cannot be used (${reasonOf(error)}). Check ${urlSettingOf(options)}.`);
  }
}

/** How a person knows the database, without a password. */
export function nameOf({ url = '' }: PostgresOptions): string {
  const { host, pathname } = new URL(url);
  return `${pathname.slice(1)} at ${host}`;
}

// A code of Node's says it all; one of PostgreSQL's, or of a pooler that speaks for it, does not.
function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  return SQLSTATE.test(code) ? `${code}: ${message}` : code || message;
}

/** What is shown to the one who starts the process: a {@link DatabaseUnreachableError}, or the error itself. */
export function startErrorOf(error: unknown, options: PostgresOptions): unknown {
  const isUnreachable = isStoreFailure(error) || REFUSED_SQLSTATE.test(codeOf(error));
  return isUnreachable ? new DatabaseUnreachableError(options, error) : error;
}
