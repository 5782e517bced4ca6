import { defineProblem } from '../problems/problem.js';

/** Unknown e-mail, wrong password and disabled account look the same (ERR-03). */
export const InvalidCredentialsError = defineProblem('invalid_credentials', 401, 'E-mail or password is wrong.');

/** The password is right, but the address is not confirmed, and here it must be. */
export const EmailNotVerifiedError = defineProblem(
  'email_not_verified',
  403,
  'Confirm your address first, with the link we mailed to it. Register again to get another.',
);

/** Two refresh tokens that differ: we will not choose for the client (CK-07). */
export const AmbiguousRefreshTokenError = defineProblem(
  'ambiguous_refresh_token',
  400,
  'More than one refresh token was sent. Send it either as the cookie or in the body, once.',
);

export const ForbiddenError = defineProblem('forbidden', 403, 'Your role does not allow this.');

/** The session is good, but what proved it is too old or too weak for this (RFC 9470). */
export const InsufficientUserAuthenticationError = defineProblem(
  'insufficient_user_authentication',
  401,
  'This needs a more recent or a stronger sign-in. Log in again.',
);

/** What a sign-in must be for this. */
export interface RequiredProof {
  readonly acr?: string;
  readonly maxAgeSeconds?: number;
}

/** The header by which the refusal says what would do (RFC 9470, section 3). */
export function stepUpChallenge(description: string, { acr, maxAgeSeconds }: RequiredProof): Record<string, string> {
  const parameters = [
    `error="${InsufficientUserAuthenticationError.code}"`,
    `error_description="${description}"`,
    ...(acr === undefined ? [] : [`acr_values="${acr}"`]),
    ...(maxAgeSeconds === undefined ? [] : [`max_age="${maxAgeSeconds}"`]),
  ];
  return { 'WWW-Authenticate': `Bearer realm="latchkey", ${parameters.join(', ')}` };
}
