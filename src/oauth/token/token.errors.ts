import { defineProblem } from '../../problems/problem.js';

// The codes are those of OAuth (RFC 6749, 5.2).

export const UnsupportedGrantTypeError = defineProblem(
  'unsupported_grant_type',
  400,
  'Only client_credentials is supported, and only where JWT_ALGORITHM is ES256.',
);

export const InvalidScopeError = defineProblem(
  'invalid_scope',
  400,
  'Tokens of service clients have the scope signals.',
);
