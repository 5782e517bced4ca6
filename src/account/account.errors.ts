import { HttpStatus } from '@nestjs/common';
import { InvalidCredentialsError } from '../auth/auth.errors.js';
import { InvalidFieldError } from '../http/validation.js';
import { defineProblem, withStatus } from '../problems/problem.js';

/** The session is good, but the password that came along is wrong: 403, so that clients keep their session. */
export const WrongPasswordError = withStatus(HttpStatus.FORBIDDEN, InvalidCredentialsError);

/** The session is good, but its password was given too long ago for this (RFC 9470, section 3). */
export class InsufficientUserAuthenticationError extends defineProblem(
  'insufficient_user_authentication',
  401,
  'Your password was given too long ago for this. Send it along, or log in again.',
) {
  constructor(maxAgeSeconds: number) {
    super({
      headers: {
        'WWW-Authenticate':
          'Bearer realm="latchkey", error="insufficient_user_authentication", ' +
          `error_description="Give your password again.", max_age="${maxAgeSeconds}"`,
      },
    });
  }
}

/** Unknown, used, expired or withdrawn, whatever it was for. */
export const InvalidLinkTokenError = defineProblem(
  'invalid_link_token',
  400,
  'This link is not valid any more: it was used, has expired, or a newer mail replaced it.',
);

/** Unknown, used, expired, or of a mail that said something else. */
export const InvalidResetTokenError = defineProblem(
  'invalid_reset_token',
  400,
  'This link is not valid any more. Ask for a new one.',
);

/** Unknown, used, expired, or for an address that is not the account's any more. */
export const InvalidVerificationTokenError = defineProblem(
  'invalid_verification_token',
  400,
  'This link is not valid any more. Ask for a new one.',
);

/** The address was registered more than once, so that it is not known whose password the account should have. */
export class PasswordRequiredError extends InvalidFieldError {
  constructor() {
    super(
      'password',
      'is required: this address was registered more than once. What you give becomes the password of the account.',
    );
  }
}

/** Unknown, used, expired, or the change is undone. */
export const InvalidUndoTokenError = defineProblem(
  'invalid_undo_token',
  400,
  'This link is not valid any more: it was used, or a week has passed.',
);

/** Unknown, used, or expired. */
export const InvalidDisownTokenError = defineProblem(
  'invalid_disown_token',
  400,
  'This link is not valid any more. Log out the device in your list.',
);
