import type { DocumentedAuthentication } from '../http/openapi/operation.js';
import { InvalidAccessTokenError, SessionExpiredError, SessionRevokedError } from '../sessions/sessions.errors.js';
import { SECURE_COOKIE_NAME } from './refresh-cookie.js';

/** What the OpenAPI document says of every protected route, and of the refresh token's cookie. */
export const DOCUMENTED_AUTHENTICATION: DocumentedAuthentication = {
  refreshCookieName: SECURE_COOKIE_NAME,
  accessTokenProblems: [InvalidAccessTokenError, SessionRevokedError, SessionExpiredError],
};
