import type { ClaimedDelivery } from './deliveries.repository.js';

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const LIVES_SECONDS = 120;

/** The type of a logout token. */
export const LOGOUT_TOKEN_TYPE = 'logout+jwt';

/**
 * What a logout token says (OpenID Connect Back-Channel Logout 1.0, section 2.4): of one session that ended, or with no `sid` of all
 * that a user had. Its `jti` is the delivery's id, at every attempt.
 */
export const logoutClaims = (
  { id, userId, sessionId }: Pick<ClaimedDelivery, 'id' | 'userId' | 'sessionId'>,
  { issuer, audience, now }: { issuer: string; audience: string; now: number },
) => ({
  iss: issuer,
  aud: audience,
  iat: now,
  exp: now + LIVES_SECONDS,
  jti: id,
  sub: userId,
  ...(sessionId && { sid: sessionId }),
  events: { [LOGOUT_EVENT]: {} },
});
