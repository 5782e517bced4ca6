import type { TokenDelivery } from '../session.entity.js';
import { type AuthenticRefreshToken, hashRefreshToken } from './refresh-token.js';
import type { RefreshState } from './refresh.repository.js';

/** What an authentic refresh token is worth to its session. */
export type RefreshVerdict =
  /** No session has its id: it went with its account, or long after its end. */
  | { readonly verdict: 'unknown' }
  /** It does not lead to the session's current token, or was delivered otherwise. It must end nothing. */
  | { readonly verdict: 'forged' }
  /** It is older than what the session honours, whether or not the session has ended. */
  | { readonly verdict: 'reused'; readonly state: RefreshState }
  /** Its session was revoked, or the user disabled. */
  | { readonly verdict: 'revoked'; readonly state: RefreshState }
  /** Its session is past its idle or absolute end. */
  | { readonly verdict: 'expired' }
  /** It is the current token of an active session. */
  | { readonly verdict: 'current' }
  /** It is the one before the current token, which is `refreshToken`, and still good. */
  | { readonly verdict: 'predecessor'; readonly state: RefreshState; readonly refreshToken: string };

/**
 * Decides about a refresh token that did not rotate, from one read of its session.
 *
 * The token must first prove that the current one is derived from it: a mac alone could come from a leaked secret, so it
 * counts as forged and nothing else is looked at. Reuse goes before revoked and expired: an old token stays recognised
 * after its session has ended.
 */
export function refreshVerdict(
  token: AuthenticRefreshToken,
  delivery: TokenDelivery,
  state: RefreshState | null,
): RefreshVerdict {
  if (!state) {
    return { verdict: 'unknown' };
  }
  const { session } = state;
  const age = session.generation - token.generation;
  const refreshToken = token.at(session.generation).find((t) => hashRefreshToken(t).equals(session.refreshTokenHash));
  if (refreshToken === undefined || session.delivery !== delivery || age < 0) {
    return { verdict: 'forged' };
  }
  if (age > 1 || (age === 1 && !state.honoursPredecessor)) {
    return { verdict: 'reused', state };
  }
  if (state.isRevoked) {
    return { verdict: 'revoked', state };
  }
  if (state.isExpired) {
    return { verdict: 'expired' };
  }
  return age === 0 ? { verdict: 'current' } : { verdict: 'predecessor', state, refreshToken };
}
