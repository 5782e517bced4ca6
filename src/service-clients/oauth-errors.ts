import { defineProblem } from '../problems/problem.js';

// The codes are those of OAuth (RFC 6749, 5.2; RFC 6750, 3.1).

const BASIC = 'Basic realm="latchkey", charset="UTF-8"';
const BEARER = 'Bearer realm="latchkey"';

/** Credentials that are missing, wrong or no longer valid: a client learns nothing about which. */
export class InvalidClientError extends defineProblem(
  'invalid_client',
  401,
  'Send the client_id and client_secret of a service client. npm run client:add makes one.',
) {
  /** @param doTokens whether an access token of a client would do as well */
  constructor(doTokens = false) {
    super({ headers: { 'WWW-Authenticate': doTokens ? `${BEARER}, ${BASIC}` : BASIC } });
  }
}

export const InvalidRequestError = defineProblem(
  'invalid_request',
  400,
  'A parameter is missing, sent twice, or not as it should be.',
);

export const InsufficientScopeError = defineProblem(
  'insufficient_scope',
  403,
  'This service client does not have the scope that this takes.',
);
