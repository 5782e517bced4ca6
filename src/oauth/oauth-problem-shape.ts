import type { Problem, ProblemKind } from '../problems/problem.js';
import type { ProblemShape } from '../problems/problem-shape.js';
import { OAuthErrorDto } from './oauth-error.dto.js';

type ErrorKind = Partial<Omit<ProblemKind, 'code'>> & Pick<ProblemKind, 'code'>;

const INVALID_REQUEST: ErrorKind = {
  code: 'invalid_request',
  detail: 'Not a form in UTF-8, too large, or a parameter is missing or sent twice; the description says which.',
};

// What OAuth calls a status. Any other problem keeps its own code, which OAuth allows (RFC 6749, 8.5).
const BY_STATUS: ReadonlyMap<number, ErrorKind> = new Map([
  [400, INVALID_REQUEST],
  [401, { code: 'invalid_client' }],
  [413, INVALID_REQUEST],
  [414, INVALID_REQUEST],
  // RFC 6749, 5.2: a request that is malformed in any other way.
  [415, { ...INVALID_REQUEST, status: 400 }],
  [500, { code: 'server_error' }],
  [503, { code: 'temporarily_unavailable' }],
]);

// Those of a token endpoint, which say more than their status.
const KEPT = new Set(['invalid_scope', 'unsupported_grant_type']);

/** How problems are written below `/oauth/`. */
export const OAUTH_ERRORS: ProblemShape = {
  name: 'OAuth',
  mediaType: 'application/json',
  Dto: OAuthErrorDto,
  // One by one: of a class most are inherited.
  kindOf: ({ code, status, detail }) => ({ code, status, detail, ...(!KEPT.has(code) && BY_STATUS.get(status)) }),
  headersOf: ({ status }) => ({ ...(status === 401 && { 'WWW-Authenticate': 'Basic realm="latchkey"' }) }),
  bodyOf: (problem) => ({
    error: KEPT.has(problem.code) ? problem.code : (BY_STATUS.get(problem.status)?.code ?? problem.code),
    error_description: descriptionOf(problem),
  }),
};

const DESCRIPTION_MAX_LENGTH = 300;

// What the standard allows: printable ASCII, without a quote or a backslash (RFC 6749, 5.2).
const descriptionOf = ({ message, errors = [] }: Problem): string =>
  (errors.length > 0 ? errors.map((error) => `${error.field} ${error.message}`).join('; ') : message)
    .replaceAll('"', "'")
    .replaceAll(/[^ -~]|\\/g, '?')
    .slice(0, DESCRIPTION_MAX_LENGTH);
