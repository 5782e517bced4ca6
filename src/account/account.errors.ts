import { Problem } from '../problems/problem.js';

/** The caller is who they are, but the password they gave is wrong: 403, so that clients keep their session. */
export class WrongPasswordError extends Problem {
  constructor() {
    super('invalid_credentials', { status: 403 });
  }
}

/** The session is good, but its password was given too long ago for this (RFC 9470, section 3). */
export class InsufficientUserAuthenticationError extends Problem {
  constructor(maxAgeSeconds: number) {
    super('insufficient_user_authentication', {
      headers: {
        'WWW-Authenticate':
          'Bearer realm="latchkey", error="insufficient_user_authentication", ' +
          `error_description="Give your password again.", max_age="${maxAgeSeconds}"`,
      },
    });
  }
}

/** Unknown, used, expired, or of a mail that said something else. */
export class InvalidResetTokenError extends Problem {
  constructor() {
    super('invalid_reset_token');
  }
}

/** Unknown, used, expired, or for an address that is not the account's any more. */
export class InvalidVerificationTokenError extends Problem {
  constructor() {
    super('invalid_verification_token');
  }
}

/** The address was registered more than once, so that nobody knows whose password the account should have. */
export class PasswordRequiredError extends Problem {
  constructor() {
    super('validation_failed', {
      errors: [
        {
          field: 'password',
          message: 'password must be given: this address was registered more than once. It becomes your password.',
        },
      ],
    });
  }
}

/** Unknown, used, expired, or the change is undone. */
export class InvalidUndoTokenError extends Problem {
  constructor() {
    super('invalid_undo_token');
  }
}

/** Unknown, used, or expired. */
export class InvalidDisownTokenError extends Problem {
  constructor() {
    super('invalid_disown_token');
  }
}
