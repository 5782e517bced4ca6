import { HttpStatus } from '@nestjs/common';
import { defineProblem, Problem, withStatus } from '../problems/problem.js';

/** Missing, malformed or forged, or sent in another way than it was delivered: the answer is one and the same. */
export const InvalidRefreshTokenError = defineProblem(
  'invalid_refresh_token',
  401,
  'The refresh token is missing or not valid. Log in again.',
);

/** The same at logout, which is done as far as the client is concerned: 400, so that no client tries to log in. */
export const NothingToLogOutError = withStatus(HttpStatus.BAD_REQUEST, InvalidRefreshTokenError);

/** The token is authentic, and refused for good: the client may forget it. */
export class RefusedForGoodError extends Problem {}

export class SessionRevokedError extends defineProblem(
  'session_revoked',
  401,
  'This session was ended. Log in again.',
  RefusedForGoodError,
) {
  /**
   * @param session for the audit trail, where its row is still there; no answer names it
   * @param isJustLoggedOut whether a logout ended it seconds ago, so that one more finds its work done
   */
  constructor(
    readonly session?: { readonly id: string; readonly userId: string },
    readonly isJustLoggedOut = false,
  ) {
    super();
  }
}

/**
 * An authentic token whose session is not there: deleted with its account, or long after its end. The answer is that of
 * any token that is not valid; a browser may forget it.
 */
export class UnknownSessionError extends RefusedForGoodError {
  constructor() {
    super(InvalidRefreshTokenError);
  }
}

export const SessionExpiredError = defineProblem(
  'session_expired',
  401,
  'This session has expired. Log in again.',
  RefusedForGoodError,
);

export const RefreshTokenReusedError = defineProblem(
  'refresh_token_reused',
  401,
  'This refresh token was already exchanged. Its session has been ended for safety; log in again.',
  RefusedForGoodError,
);

/** Unknown, ended, of another user, or no id at all: the answer is one and the same. */
export const SessionNotFoundError = defineProblem('session_not_found', 404, 'You have no active session with this id.');

/** Unknown, or no id at all. */
export const IncidentNotFoundError = defineProblem('incident_not_found', 404, 'There is no incident with this id.');

/** No access token, or one that we did not issue as it stands, or that is past its time. */
export class InvalidAccessTokenError extends defineProblem(
  'invalid_token',
  401,
  'Send a valid access token as "Authorization: Bearer <accessToken>".',
) {
  constructor(wasTokenSent = true) {
    super(wasTokenSent ? {} : { headers: { 'WWW-Authenticate': 'Bearer realm="latchkey"' } });
  }
}

/** Why an access token is refused. Whatever else is thrown where one is looked at is no verdict about it. */
export const ACCESS_TOKEN_REFUSALS = [InvalidAccessTokenError, SessionRevokedError, SessionExpiredError];

/** Whether an error is such a verdict. */
export const isAccessTokenRefusal = (error: unknown): boolean =>
  ACCESS_TOKEN_REFUSALS.some((Refusal) => error instanceof Refusal);
