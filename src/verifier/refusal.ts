import { STATUS_CODES } from 'node:http';
import type { Caller } from './caller.js';
import { InvalidTokenError, UnavailableError, VerifierError } from './errors.js';

/** What answers a request that must not be served. */
export interface Refusal {
  readonly status: VerifierError['status'];
  readonly headers: Readonly<Record<string, string>>;
  /** Problem details (RFC 9457). */
  readonly problem: Readonly<Record<string, unknown>>;
}

/** What the pieces for each framework need of the verifier. */
export interface Authenticator {
  authenticate(authorization: string | undefined): Promise<Caller>;
  /** Throws what is not an error of the verifier. */
  refusalOf(error: unknown): Refusal;
}

export function refusalOf(error: unknown, realm: string): Refusal {
  if (!(error instanceof VerifierError)) {
    throw error;
  }
  const { status, code, detail } = error;
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json; charset=utf-8',
      'Cache-Control': 'no-store',
      ...(error instanceof InvalidTokenError && { 'WWW-Authenticate': challengeOf(error, realm) }),
      ...(error instanceof UnavailableError && { 'Retry-After': String(error.retryAfterSeconds) }),
    },
    problem: { type: 'about:blank', title: STATUS_CODES[status], status, detail, code },
  };
}

// RFC 6750, section 3.1: say what is wrong with a token, and nothing more where none was sent.
const challengeOf = ({ wasTokenSent, detail }: InvalidTokenError, realm: string): string =>
  `Bearer realm="${realm}"${wasTokenSent ? `, error="invalid_token", error_description="${detail}"` : ''}`;
