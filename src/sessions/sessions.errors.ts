import { Problem } from '../problems/problem.js';

/** Missing, malformed or forged, or sent in another way than it was delivered: a stranger learns nothing about which. */
export class InvalidRefreshTokenError extends Problem {
  constructor(status?: number) {
    super('invalid_refresh_token', status === undefined ? {} : { status });
  }
}

/** The token is authentic, and refused for good: whoever holds it may forget it. */
export abstract class RefusedForGoodError extends Problem {}

export class SessionRevokedError extends RefusedForGoodError {
  /**
   * @param session for the audit trail, where its row is still there; no answer names it
   * @param isJustLoggedOut whether a logout ended it seconds ago, so that one more finds its work done
   */
  constructor(
    readonly session?: { readonly id: string; readonly userId: string },
    readonly isJustLoggedOut = false,
  ) {
    super('session_revoked');
  }
}

/**
 * An authentic token whose session is not there: it went with its account, or long after its end. To the caller it is like
 * any token that is not valid; a browser may forget it.
 */
export class UnknownSessionError extends RefusedForGoodError {
  constructor() {
    super('invalid_refresh_token');
  }
}

export class SessionExpiredError extends RefusedForGoodError {
  constructor() {
    super('session_expired');
  }
}

export class RefreshTokenReusedError extends RefusedForGoodError {
  constructor() {
    super('refresh_token_reused');
  }
}

/** Unknown, ended, somebody else's, or no id at all: they cannot be told apart. */
export class SessionNotFoundError extends Problem {
  constructor() {
    super('session_not_found');
  }
}

/** No access token, or one that we did not issue as it stands, or that is past its time. */
export class InvalidAccessTokenError extends Problem {
  constructor(wasTokenSent = true) {
    super('invalid_token', wasTokenSent ? {} : { headers: { 'WWW-Authenticate': 'Bearer realm="latchkey"' } });
  }
}
