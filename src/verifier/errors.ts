/** Why Latchkey could not be asked, or what it answered. For programs; stable. */
export type UnavailableReason =
  | 'unreachable'
  | 'timeout'
  | 'server_error'
  | 'client_refused'
  | 'too_many_requests'
  | 'no_keys'
  | 'unexpected_answer'
  | 'closed';

/** A request that must not be served. `detail` is for its client, and says nothing internal. */
export abstract class VerifierError extends Error {
  /** What a client is to be answered with. */
  abstract readonly status: 400 | 401 | 503;
  /** For programs; stable. */
  abstract readonly code: string;
  /** For people. */
  abstract readonly detail: string;
}

/** The token is missing, malformed, forged, meant for others or past its time, or its session has ended: 401. */
export class InvalidTokenError extends VerifierError {
  readonly status = 401;
  readonly code = 'invalid_token';
  readonly detail: string;

  constructor(readonly wasTokenSent = true) {
    const detail = wasTokenSent
      ? 'This access token is not valid, or its session has ended. Refresh, or log in again.'
      : 'Send an access token as "Authorization: Bearer <accessToken>".';
    super(detail);
    this.name = 'InvalidTokenError';
    this.detail = detail;
  }
}

/** Two `Authorization` headers, of which each server takes another: 400. */
export class RepeatedAuthorizationError extends VerifierError {
  readonly status = 400;
  readonly code = 'bad_request';
  readonly detail = 'The request has more than one Authorization header.';

  constructor() {
    super('The request has more than one Authorization header.');
    this.name = 'RepeatedAuthorizationError';
  }
}

/**
 * Latchkey did not say whether the session is open: 503, never a verdict. `message` says what is wrong in words for
 * developers; no client is to see it.
 */
export class UnavailableError extends VerifierError {
  readonly status = 503;
  readonly code = 'service_unavailable';
  readonly detail = 'It cannot be said right now whether this session is open. Try again with the same token.';
  readonly reason: UnavailableReason;
  readonly retryAfterSeconds: number;

  constructor(
    reason: UnavailableReason,
    message: string,
    { cause, retryAfterSeconds = 1 }: { readonly cause?: unknown; readonly retryAfterSeconds?: number } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'UnavailableError';
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Settings that cannot work, or that do not fit to the tokens of this Latchkey. Names all of them, and prints no secret. */
export class VerifierSettingsError extends TypeError {
  readonly reason = 'settings';

  constructor(readonly problems: readonly string[]) {
    super(`The settings of Latchkey's verifier cannot work:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
    this.name = 'VerifierSettingsError';
  }
}
