import { createHmac, randomUUID } from 'node:crypto';
import { SECRETS } from './secrets.js';
import type { AuthResult } from './api.js';

/** The claims of a token the service issued. */
export const claimsOf = (accessToken: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString());

/** An access token signed with the service's own key, with other claims or another header. Undefined takes one away. */
export function resign(
  { accessToken }: AuthResult,
  changes: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  secret = SECRETS.JWT_SECRET,
): string {
  return signed({ ...claimsOf(accessToken), jti: randomUUID(), ...changes }, header, secret);
}

/** An access token of whatever claims, signed with the service's own key. */
export function signed(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  secret = SECRETS.JWT_SECRET,
): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const content = `${part({ alg: 'HS256', typ: 'at+jwt', ...header })}.${part(claims)}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}

/** A refresh token with the service's own mac over whatever parts are given. */
export function forgeRefreshToken(
  parts: { sessionId: string; generation: number | string; nonce: string },
  secret = SECRETS.REFRESH_TOKEN_SECRET,
): string {
  const content = `v1.${parts.sessionId}.${parts.generation}.${parts.nonce}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}

export const partsOf = (refreshToken: string) => {
  const [, sessionId, generation, nonce] = refreshToken.split('.');
  return { sessionId: sessionId!, generation: Number(generation), nonce: nonce! };
};
