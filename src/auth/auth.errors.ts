import { Problem } from '../problems/problem.js';

/** Unknown e-mail, wrong password and disabled account look the same (ERR-03). */
export class InvalidCredentialsError extends Problem {
  constructor() {
    super('invalid_credentials');
  }
}

/** The password is right, but the address is not confirmed, and here it must be. */
export class EmailNotVerifiedError extends Problem {
  constructor() {
    super('email_not_verified');
  }
}

/** Two refresh tokens that differ: we will not choose for the client (CK-07). */
export class AmbiguousRefreshTokenError extends Problem {
  constructor() {
    super('ambiguous_refresh_token');
  }
}
