import { Problem } from '../common/problem.js';

/** Unknown e-mail, wrong password and disabled account look the same (ERR-03). */
export class InvalidCredentialsError extends Problem {
  constructor() {
    super('invalid_credentials');
  }
}

/** Two refresh tokens that differ: we will not choose for the client (CK-07). */
export class AmbiguousRefreshTokenError extends Problem {
  constructor() {
    super('ambiguous_refresh_token');
  }
}

/** Whoever listened on the way has the tokens now; they must not be accepted (HDR-03). */
export class HttpsRequiredError extends Problem {
  constructor() {
    super('https_required');
  }
}

/** A browser sent it from another site. */
export class CrossSiteRequestError extends Problem {
  constructor() {
    super('cross_site_request');
  }
}
