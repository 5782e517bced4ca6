import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import type { Caller } from '../caller.js';
import type { RequestSource } from '../../http/request-source.js';
import { ServiceUnavailableError } from '../../problems/problem.js';
import { LogoutRepository } from './logout.repository.js';
import { type AuthenticRefreshToken, type PresentedToken, RefreshTokens } from '../refresh/refresh-token.js';
import { RefreshService } from '../refresh/refresh.service.js';
import { TOKEN_DELIVERIES, type TokenDelivery } from '../session.entity.js';
import type { Revoker } from '../sessions.sql.js';
import {
  InvalidRefreshTokenError,
  NothingToLogOutError,
  RefusedForGoodError,
  SessionNotFoundError,
  SessionRevokedError,
} from '../sessions.errors.js';

const LOGOUT: Revoker = { reason: 'logout', actorId: null };

/** Revokes sessions of a user, for the holder of a refresh token or of an access token. */
@Injectable()
export class LogoutService {
  constructor(
    private readonly logouts: LogoutRepository,
    private readonly refreshTokens: RefreshTokens,
    private readonly refresh: RefreshService,
  ) {}

  /**
   * Logs out one session: the one that honours the refresh token, or else the caller's. Nothing happens where the same
   * was asked seconds ago. Throws {@link NothingToLogOutError} where neither is good, whatever is wrong with them.
   */
  async logout(presented: PresentedToken | null, caller: Caller | null, source: RequestSource): Promise<void> {
    const token = presented && this.refreshTokens.read(presented.token);
    const outcome = token && (await this.revokePresented(token, presented.delivery, LOGOUT, source));
    if (outcome === 'ended') {
      return;
    }
    if (caller) {
      await this.logouts.revoke(caller.sessionId, caller.userId, LOGOUT, source);
    } else if (outcome === null) {
      throw new NothingToLogOutError();
    }
  }

  /**
   * Logs out every session of the user whose active session honours the refresh token; without a token, of the caller.
   * Returns how many. Throws {@link InvalidRefreshTokenError} where there is neither, and as {@link RefreshService} does
   * where the token is not honoured.
   */
  async logoutAll(presented: PresentedToken | null, caller: Caller | null, source: RequestSource): Promise<number> {
    if (!presented && caller) {
      return this.logouts.revokeAllOf(caller.userId, null, 'logout_all', source);
    }
    const token = presented && this.refreshTokens.read(presented.token);
    if (!token) {
      throw new InvalidRefreshTokenError();
    }
    const count = await this.logouts.revokeAllOfPresented(token, presented.delivery, source);
    if (count === 0) {
      await this.refresh.actOnVerdict(token, presented.delivery, source);
      // It had ended when we tried and is honoured now: no state a session can go through. Let the client try again.
      throw new ServiceUnavailableError();
    }
    return count;
  }

  /** Logs out every session of the caller but this one. Returns how many. */
  async logoutOthers({ userId, sessionId }: Caller, source: RequestSource): Promise<number> {
    return this.logouts.revokeAllOf(userId, sessionId, 'logout_others', source);
  }

  /** Logs out one device of the caller. Unknown, ended and foreign ids are one and the same {@link SessionNotFoundError}. */
  async logoutDevice({ userId }: Caller, id: string, source: RequestSource): Promise<void> {
    if (
      !isUUID(id) ||
      (await this.logouts.revoke(id, userId, { reason: 'revoked_by_user', actorId: null }, source)) === 0
    ) {
      throw new SessionNotFoundError();
    }
  }

  /**
   * Revokes the session of a refresh token, in whichever way that was delivered: its holder, or a service client, hands it in
   * to be ended, and gets nothing for it. An older token is reuse here as well. False where it is no refresh token of ours.
   */
  async revokeByRefreshToken(refreshToken: string, revoker: Revoker, source: RequestSource): Promise<boolean> {
    const token = this.refreshTokens.read(refreshToken);
    if (token) {
      await this.revokePresented(token, null, revoker, source);
    }
    return token !== null;
  }

  /** Revokes the session of an access token that was accepted, for its holder or for a service client. */
  async revokeOfCaller(
    { sessionId, userId }: Pick<Caller, 'sessionId' | 'userId'>,
    revoker: Revoker,
    source: RequestSource,
  ): Promise<void> {
    await this.logouts.revoke(sessionId, userId, revoker, source);
  }

  /** Throws where a session that was read as ended may not be so for good: before that is answered as done. */
  async confirmEnded(): Promise<void> {
    await this.logouts.settle();
  }

  // Null where no session honours the token; one that is reused ends its session all the same.
  private async revokePresented(
    token: AuthenticRefreshToken,
    delivery: TokenDelivery | null,
    revoker: Revoker,
    source: RequestSource,
  ): Promise<'ended' | 'ended before' | null> {
    const deliveries = delivery ? [delivery] : TOKEN_DELIVERIES;
    if ((await this.logouts.revokePresented(token, deliveries, revoker, source)) > 0) {
      return 'ended';
    }
    try {
      await this.refresh.actOnVerdict(token, delivery, source);
    } catch (error) {
      if (error instanceof SessionRevokedError) {
        // It may have ended since nothing was found to end.
        await this.logouts.settle();
        if (error.isJustLoggedOut) return 'ended before';
      }
      // Why it is refused is not the caller's to know.
      if (!(error instanceof InvalidRefreshTokenError || error instanceof RefusedForGoodError)) {
        throw error;
      }
    }
    return null;
  }
}
