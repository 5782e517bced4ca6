import type { DocumentedAuthentication } from '../http/openapi/operation.js';
import { InvalidAccessTokenError, SessionExpiredError, SessionRevokedError } from '../sessions/sessions.errors.js';
import { SECURE_COOKIE_NAME } from './refresh-cookie.js';

/** What the OpenAPI document says of every protected route, and of the refresh token's cookie. */
export const DOCUMENTED_AUTHENTICATION: DocumentedAuthentication = {
  refreshCookieName: SECURE_COOKIE_NAME,
  accessTokenProblems: [InvalidAccessTokenError, SessionRevokedError, SessionExpiredError],
};

/** The headers of an answer that delivers a refresh token. */
export const SET_COOKIE = {
  'Set-Cookie': {
    description: 'The refresh token, where it is delivered as a cookie.',
    schema: {
      type: 'string',
      example: '__Host-refresh_token=v1.5b1f…; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Strict',
    },
  },
} as const;

/** The headers of an answer after which the browser has no refresh token. */
export const CLEARED_COOKIE = {
  'Set-Cookie': {
    description: 'Clears the refresh token.',
    schema: { type: 'string', example: '__Host-refresh_token=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict' },
  },
  'Clear-Site-Data': {
    description: 'Where the cookie was sent.',
    schema: { type: 'string', example: '"cookies", "storage"' },
  },
} as const;
