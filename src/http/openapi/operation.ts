import { STATUS_CODES } from 'node:http';
import type { HeaderObject, OperationObject } from '@nestjs/swagger';
import { takeProblems } from '../../problems/api-problems.decorator.js';
import { BodyTooLargeError, InternalError, UnsupportedMediaTypeError } from '../../problems/http.errors.js';
import { type ProblemKind, ServiceUnavailableError } from '../../problems/problem.js';
import { MalformedBodyError } from '../route-body.js';
import { OPTIONAL } from '../public.decorator.js';
import { CrossSiteRequestError } from '../cross-site.guard.js';
import { ValidationFailedError } from '../validation.js';
import { takeRefusalHeader } from './refusal-header.js';
import { headers, type ProblemResponses } from './problem-responses.js';

/** What the document says of authentication, which is decided above this folder. */
export interface DocumentedAuthentication {
  readonly refreshCookieName: string;
  /** Why an access token is refused. */
  readonly accessTokenProblems: readonly ProblemKind[];
  /** To be referred to by routes. */
  readonly headers: Readonly<Record<string, HeaderObject>>;
}

interface Context {
  /** Whether the route changes nothing. */
  readonly isRead: boolean;
  readonly problems: ProblemResponses;
  readonly authentication: DocumentedAuthentication;
}

/** Adds to an operation of the document what follows from its kind, so that its decorators name only what is its own. */
export function completeOperation(operation: OperationObject, { isRead, problems, authentication }: Context): void {
  operation.security = securityOf(operation);
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response && 'description' in response) {
      response.description ||= STATUS_CODES[status] ?? '';
      response.headers = { ...headers(), ...response.headers };
    }
  }
  const shared = sharedProblems(operation, isRead, authentication);
  const byCode = new Map([...shared, ...takeProblems(operation)].map((kind) => [kind.code, kind]));
  Object.assign(operation.responses, problems.of([...byCode.values()], takeRefusalHeader(operation)));
}

// `@Public()` leaves an empty requirement: nothing is needed.
function securityOf({ security = [] }: OperationObject): Record<string, string[]>[] {
  const schemes = security.filter((scheme) => Object.keys(scheme).length > 0 && !(OPTIONAL in scheme));
  const isPublic = security.some((scheme) => Object.keys(scheme).length === 0);
  const isOptional = security.some((scheme) => OPTIONAL in scheme);
  const isForStaff = schemes.some((scheme) => 'staff' in scheme);
  const takesRefreshToken = schemes.some((scheme) => 'refreshCookie' in scheme);
  return [
    ...(isPublic || isForStaff ? [] : [{ bearer: [] }]),
    ...schemes,
    // The refresh token may be in the body instead.
    ...(takesRefreshToken || isOptional ? [{}] : []),
  ];
}

function sharedProblems(
  { security = [], parameters = [], requestBody }: OperationObject,
  isRead: boolean,
  { accessTokenProblems }: DocumentedAuthentication,
): ProblemKind[] {
  const isProtected = security.some((scheme) => 'bearer' in scheme || 'staff' in scheme);
  const isForClients = security.some((scheme) => 'serviceClient' in scheme);
  const hasQuery = parameters.some((parameter) => 'in' in parameter && parameter.in === 'query');
  return [
    InternalError,
    ...(isRead ? [] : [CrossSiteRequestError]),
    ...(isProtected ? accessTokenProblems : []),
    // Any route that is protected or changes something asks the database.
    ...(isProtected || isForClients || !isRead ? [ServiceUnavailableError] : []),
    ...(requestBody ? [MalformedBodyError, BodyTooLargeError, UnsupportedMediaTypeError] : []),
    ...(requestBody || hasQuery ? [ValidationFailedError] : []),
  ];
}
