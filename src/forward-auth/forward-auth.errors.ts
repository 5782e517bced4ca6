import { InsufficientUserAuthenticationError, type RequiredProof, stepUpChallenge } from '../auth/auth.errors.js';
import { type FieldError, withStatus } from '../problems/problem.js';
import { ValidationFailedError } from '../http/validation.js';

/**
 * 403 as every other refusal here that signing in does not mend: a proxy knows what it means, and for 400 some answer 500. The
 * fault is that of the proxy's configuration.
 */
export const RefusedParameterError = withStatus(403, ValidationFailedError);

export class InvalidParametersError extends RefusedParameterError {
  constructor(errors: readonly FieldError[]) {
    super({ errors });
  }
}

const SignInAgainError = withStatus(403, InsufficientUserAuthenticationError);

/** Signing in again would do. */
export class InsufficientVisitError extends SignInAgainError {
  constructor(required: RequiredProof) {
    super({ headers: stepUpChallenge(InsufficientUserAuthenticationError.detail, required) });
  }
}
