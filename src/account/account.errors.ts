import { HttpStatus } from '@nestjs/common';
import { InsufficientUserAuthenticationError, InvalidCredentialsError, stepUpChallenge } from '../auth/auth.errors.js';
import { InvalidFieldError } from '../http/validation.js';
import { defineProblem, withStatus } from '../problems/problem.js';

/** The session is good, but the password that came along is wrong: 403, so that clients keep their session. */
export const WrongPasswordError = withStatus(HttpStatus.FORBIDDEN, InvalidCredentialsError);

const TOO_LONG_AGO = 'Your password was given too long ago for this. Send it along, or log in again.';

/** The session is good, but its password was given too long ago for this. */
export class PasswordTooOldError extends InsufficientUserAuthenticationError {
  static override readonly detail = TOO_LONG_AGO;

  constructor(maxAgeSeconds: number) {
    super({ detail: TOO_LONG_AGO, headers: stepUpChallenge('Give your password again.', { maxAgeSeconds }) });
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
