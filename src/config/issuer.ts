import type { AppConfig } from './config.js';

const IS_ISSUER = /^https?:\/\/[^?#]+$/;

/**
 * What this authorization server is called by others, which has to be a URL (RFC 8414, section 2): JWT_ISSUER, where it is one,
 * so that it is also the `iss` of access tokens; otherwise PUBLIC_URL.
 */
export const issuerOf = ({ jwtIssuer, publicUrl }: Pick<AppConfig, 'jwtIssuer' | 'publicUrl'>): string =>
  IS_ISSUER.test(jwtIssuer) && URL.canParse(jwtIssuer) ? jwtIssuer : baseOf(publicUrl);

/** A URL to which paths can be appended. */
export const baseOf = (url: string): string => url.replace(/\/$/, '');
