import type { DocumentedAuthentication } from '../http/openapi/operation.js';
import { ApiRefusalHeader } from '../http/openapi/refusal-header.js';
import { ACCESS_TOKEN_REFUSALS } from '../sessions/sessions.errors.js';
import { cookieNameOf } from './refresh-cookie.js';

const refer = (name: 'RefreshCookie' | 'ClearedRefreshCookie' | 'ClearSiteData') => ({
  $ref: `#/components/headers/${name}`,
});

/** What the OpenAPI document says of every protected route, and of the refresh token's cookie. */
export function documentedAuthentication(isCookieSecure: boolean): DocumentedAuthentication {
  const name = cookieNameOf(isCookieSecure);
  const attributes = `HttpOnly; ${isCookieSecure ? 'Secure; ' : ''}SameSite=Strict`;
  return {
    refreshCookieName: name,
    accessTokenProblems: ACCESS_TOKEN_REFUSALS,
    headers: {
      RefreshCookie: {
        description: 'The refresh token, where it is delivered as a cookie. It lives as long as its session.',
        schema: { type: 'string', example: `${name}=v1.5b1f…; Path=/; Max-Age=604800; ${attributes}` },
      },
      ClearedRefreshCookie: {
        description: "Clears the refresh token's cookie.",
        schema: {
          type: 'string',
          example: `${name}=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; ${attributes}`,
        },
      },
      ClearSiteData: {
        description:
          'Where the cookie was sent: what the browser is asked to clear, as the setting CLEAR_SITE_DATA says.',
        schema: { type: 'string', example: '"cookies", "storage"' },
      },
    },
  };
}

/** The headers of an answer that delivers a refresh token. */
export const SET_COOKIE = { 'Set-Cookie': refer('RefreshCookie') };

/** The headers of an answer after which the browser has no refresh token. */
export const CLEARED_COOKIE = { 'Set-Cookie': refer('ClearedRefreshCookie') };

/** The same, and what else a browser is asked to clear at a logout. */
export const CLEARED_SITE = { ...CLEARED_COOKIE, 'Clear-Site-Data': refer('ClearSiteData') };

/** Documents that refusals of these statuses clear the cookie. */
export const ClearsCookieOn = (...statuses: readonly number[]) =>
  ApiRefusalHeader({ header: 'Set-Cookie', component: 'ClearedRefreshCookie', statuses });
