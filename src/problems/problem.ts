/**
 * The catalogue: every error a client can meet, by its stable code. The OpenAPI document lists it,
 * the filter answers from it, and nothing else decides what an error looks like on the wire.
 */
export const PROBLEMS = {
  bad_request: { status: 400, detail: 'The request is not well-formed HTTP.' },
  malformed_body: { status: 400, detail: 'The body is not valid JSON in UTF-8.' },
  invalid_reset_token: { status: 400, detail: 'This link is not valid any more. Ask for a new one.' },
  invalid_disown_token: { status: 400, detail: 'This link is not valid any more. Log out the device in your list.' },
  invalid_undo_token: { status: 400, detail: 'This link is not valid any more: it was used, or a week has passed.' },
  invalid_verification_token: { status: 400, detail: 'This link is not valid any more. Ask for a new one.' },
  validation_failed: { status: 400, detail: 'Some fields are missing or not as they should be; see errors.' },
  ambiguous_refresh_token: {
    status: 400,
    detail: 'More than one refresh token was sent. Send it either as the cookie or in the body, once.',
  },
  invalid_token: { status: 401, detail: 'Send a valid access token as "Authorization: Bearer <accessToken>".' },
  session_revoked: { status: 401, detail: 'This session was ended. Log in again.' },
  session_expired: { status: 401, detail: 'This session has expired. Log in again.' },
  invalid_refresh_token: { status: 401, detail: 'The refresh token is missing or not valid. Log in again.' },
  refresh_token_reused: {
    status: 401,
    detail: 'This refresh token was already exchanged. Its session has been ended for safety; log in again.',
  },
  invalid_credentials: { status: 401, detail: 'E-mail or password is wrong.' },
  insufficient_user_authentication: {
    status: 401,
    detail: 'Your password was given too long ago for this. Send it along, or log in again.',
  },
  email_not_verified: {
    status: 403,
    detail: 'Confirm your address first, with the link we mailed to it. Register again to get another.',
  },
  forbidden: { status: 403, detail: 'Your role does not allow this.' },
  cross_site_request: { status: 403, detail: 'A browser sent this request from another site.' },
  https_required: { status: 403, detail: 'Plain http is not served here. Use https, and log in again.' },
  not_found: { status: 404, detail: 'There is nothing at this address.' },
  session_not_found: { status: 404, detail: 'You have no active session with this id.' },
  user_not_found: { status: 404, detail: 'There is no account with this id.' },
  method_not_allowed: { status: 405, detail: 'This address does not take this method; see the Allow header.' },
  request_timeout: { status: 408, detail: 'The request took too long to arrive.' },
  email_taken: { status: 409, detail: 'An account with this e-mail exists already.' },
  last_admin: { status: 409, detail: 'This is the last admin who is not disabled. Make somebody else an admin first.' },
  body_too_large: { status: 413, detail: 'The body is larger than this service accepts.' },
  uri_too_long: { status: 414, detail: 'The address is longer than this service accepts.' },
  unsupported_media_type: {
    status: 415,
    detail: 'Send the body uncompressed, with "Content-Type: application/json".',
  },
  too_many_requests: { status: 429, detail: 'Too many tries. Wait as long as Retry-After says, then try again.' },
  headers_too_large: { status: 431, detail: 'The headers are larger than this service accepts.' },
  internal_error: { status: 500, detail: 'Something went wrong on our side. Quote the requestId when you report it.' },
  service_unavailable: {
    status: 503,
    detail: 'The service cannot answer right now and the outcome is unknown. Try again with the same tokens.',
  },
} as const satisfies Record<string, { status: number; detail: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

export interface FieldError {
  readonly field: string;
  readonly message: string;
}

interface ProblemOptions {
  /** Only where one code answers with another status in one place. */
  readonly status?: number;
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** An expected failure. Rooms subclass it by name; the filter turns it into problem+json (RFC 9457). */
export class Problem extends Error {
  readonly status: number;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: ProblemCode,
    { status, errors, headers = {} }: ProblemOptions = {},
  ) {
    super(PROBLEMS[code].detail);
    this.name = new.target.name;
    this.status = status ?? PROBLEMS[code].status;
    this.errors = errors;
    this.headers = headers;
  }
}

/** A 503. The seconds tell the client when another try makes sense (RFC 9110, Retry-After). */
export class ServiceUnavailableError extends Problem {
  constructor(retryAfterSeconds = 1) {
    super('service_unavailable', { headers: { 'Retry-After': String(retryAfterSeconds) } });
  }
}

/** A 429. Says when to come back, and nothing about any account (ERR-03, RL-07). */
export class TooManyRequestsError extends Problem {
  constructor(milliseconds: number) {
    super('too_many_requests', { headers: { 'Retry-After': String(Math.max(1, Math.ceil(milliseconds / 1000))) } });
  }
}
