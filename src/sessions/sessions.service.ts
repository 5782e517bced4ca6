import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import type { Caller } from '../http/caller.js';
import type { RequestSource } from '../http/request-source.js';
import { ServiceUnavailableError, TooManyRequestsError } from '../problems/problem.js';
import { AppConfig } from '../config/config.js';
import type { Transaction } from '../database/transactions.js';
import { RenameLimit } from '../limits/rename-limit.js';
import { Turns } from '../limits/turns.js';
import type { User } from '../users/user.entity.js';
import { type AuthenticRefreshToken, hashRefreshToken, RefreshTokens } from './refresh/refresh-token.js';
import type { RevocationReason, Session, TokenDelivery } from './session.entity.js';
import {
  InvalidRefreshTokenError,
  RefreshTokenReusedError,
  RefusedForGoodError,
  SessionExpiredError,
  SessionNotFoundError,
  SessionRevokedError,
  UnknownSessionError,
} from './sessions.errors.js';
import { EndedSessionUses } from './check/ended-session-uses.js';
import { refreshAnswered, type RefreshOutcome } from './sessions.measurements.js';
import { RefreshRepository } from './refresh/refresh.repository.js';
import { RevocationsRepository, type SessionOwner } from './revocations.repository.js';
import { SessionOpeningRepository } from './session-opening.repository.js';
import type { SessionWithUser } from './session-with-user.js';
import { type EndedSession, type SessionsPage, SessionsRepository } from './sessions.repository.js';

/** A refresh token as somebody sent it, and the way it came. */
export interface PresentedToken {
  readonly token: string;
  readonly delivery: TokenDelivery;
}

export interface Device {
  readonly delivery: TokenDelivery;
  readonly deviceName: string | null;
}

/** A session and the refresh token that keeps it going. */
export interface SessionGrant extends SessionWithUser {
  readonly refreshToken: string;
}

/** The rules of sessions: how they open, go on and end. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly sessions: SessionsRepository,
    private readonly refreshTokens: RefreshTokens,
    private readonly opening: SessionOpeningRepository,
    private readonly revocations: RevocationsRepository,
    private readonly refreshes: RefreshRepository,
    private readonly endedUses: EndedSessionUses,
    private readonly renames: RenameLimit,
    private readonly turns: Turns,
    private readonly config: AppConfig,
  ) {}

  /**
   * Signs a device in: always a new session, whatever the client sent along. Null if the user was disabled or their
   * password changed since it was verified.
   */
  async open(
    transaction: Transaction,
    user: Pick<User, 'id' | 'passwordHash'>,
    { delivery, deviceName }: Device,
    source: RequestSource,
  ): Promise<SessionGrant | null> {
    const id = randomUUID();
    const refreshToken = this.refreshTokens.issue(id);

    const account = await this.opening.open(
      transaction,
      {
        id,
        userId: user.id,
        passwordHash: user.passwordHash,
        refreshTokenHash: hashRefreshToken(refreshToken),
        delivery,
        deviceName,
      },
      source,
    );
    return account && { ...account, refreshToken };
  }

  /**
   * Exchanges a refresh token for its successor. Callers who present the same token together get the same successor;
   * so does one whose answer was lost. Any older token ends its session.
   */
  async rotate(presented: PresentedToken, source: RequestSource): Promise<SessionGrant> {
    const token = this.requireAuthentic(presented);
    const refreshToken = token.successor;

    const account = await this.refreshes.rotate(token, presented.delivery, hashRefreshToken(refreshToken), source);
    if (account) {
      this.tellRefreshed('rotated');
      return { ...account, refreshToken };
    }
    const repeated = await this.requireHonoured(token, presented.delivery, source);
    this.tellRefreshed(this.isWithinGrace(repeated) ? 'repeated' : 'healed');
    return repeated;
  }

  /**
   * Logs out the session that honours the token, or finds that a logout ended it seconds ago. Null if neither; a spent
   * token ends its session all the same.
   */
  async endPresented(presented: PresentedToken, source: RequestSource): Promise<'ended' | 'ended before' | null> {
    const token = this.refreshTokens.read(presented.token);
    if (!token) {
      return null;
    }
    if ((await this.revocations.revokePresented(token, presented.delivery, source)) > 0) {
      return 'ended';
    }
    try {
      // Why it is not honoured is for us alone to know, but reuse has its consequence here too.
      await this.requireHonoured(token, presented.delivery, source);
    } catch (error) {
      if (error instanceof SessionRevokedError && error.isJustLoggedOut) {
        return 'ended before';
      }
      ignoreRefusal(error);
    }
    return null;
  }

  /**
   * Logs out every session of the user whose active session honours the token. Returns how many.
   * Throws as {@link rotate} does if none does.
   */
  async endAllOfPresented(presented: PresentedToken, source: RequestSource): Promise<number> {
    const token = this.requireAuthentic(presented);

    const ended = await this.revocations.revokeAllOfPresented(token, presented.delivery, source);
    if (ended === 0) {
      await this.requireHonoured(token, presented.delivery, source);
      // It was over when we tried and is honoured now: no state a session can go through. Let the client try again.
      throw new ServiceUnavailableError();
    }
    return ended;
  }

  /** Logs out the caller's own session. Nothing happens if it ended meanwhile. */
  async endCurrent({ userId, sessionId }: Caller, source: RequestSource): Promise<void> {
    await this.revocations.revoke(sessionId, userId, 'logout', source);
  }

  /** Logs out every session of the caller, this one included. Returns how many. */
  async endAll({ userId }: Caller, source: RequestSource): Promise<number> {
    return this.revocations.revokeAllOf(userId, null, 'logout_all', source);
  }

  /** Logs out every session of the caller but this one. Returns how many. */
  async endOthers({ userId, sessionId }: Caller, source: RequestSource): Promise<number> {
    return this.revocations.revokeAllOf(userId, sessionId, 'logout_others', source);
  }

  /**
   * Ends every session of a user as part of a change that must not leave one behind. The transaction must have locked
   * the user's row first: then a login that is under way waits, and finds the change. Returns the ids.
   */
  async endAllWithin(
    transaction: Transaction,
    whose: { userId: string; actorId: string },
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<string[]> {
    return this.revocations.revokeAllWithin(transaction, whose, reason, source);
  }

  /**
   * Makes sure, as part of a transaction, that the caller's session has not ended since the request came. The user's row
   * stays locked, so that it cannot end before the transaction does. Throws {@link SessionRevokedError}.
   */
  async requireActive(transaction: Transaction, { userId, sessionId }: Caller): Promise<void> {
    if (!(await this.revocations.isActiveWithin(transaction, sessionId, userId))) {
      throw new SessionRevokedError();
    }
  }

  /** See {@link SessionOpeningRepository.forgetDevices}. */
  forgetDevices(transaction: Transaction, userId: string): Promise<void> {
    return this.opening.forgetDevices(transaction, userId);
  }

  /** Ends one session as part of a transaction. Whose it was, or null if it was over before. */
  async endOneWithin(
    transaction: Transaction,
    which: { id: string; actorId: string },
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<SessionOwner | null> {
    return this.revocations.revokeOneWithin(transaction, which, reason, source);
  }

  /** Logs out one device of the caller. Unknown, ended and foreign ids are one and the same {@link SessionNotFoundError}. */
  async endOne({ userId }: Caller, id: string, source: RequestSource): Promise<void> {
    if (!isUUID(id) || (await this.revocations.revoke(id, userId, 'revoked_by_user', source)) === 0) {
      throw new SessionNotFoundError();
    }
  }

  /** The caller's active sessions, one page, and whether more follow. The current one leads the first page. */
  async list(
    { userId, sessionId }: Pick<Caller, 'userId' | 'sessionId'>,
    page: SessionsPage,
  ): Promise<{ sessions: Session[]; hasMore: boolean }> {
    const sessions = await this.sessions.listActive(userId, sessionId, page);
    return { sessions: sessions.slice(0, page.limit), hasMore: sessions.length > page.limit };
  }

  /** The caller's sessions that ended in the last 90 days, one page, the newest end first, and whether more follow. See {@link Turns}. */
  async listEnded({ userId }: Caller, page: SessionsPage): Promise<{ sessions: EndedSession[]; hasMore: boolean }> {
    const sessions = await this.turns.take(userId, () => this.sessions.listEnded(userId, page));
    return { sessions: sessions.slice(0, page.limit), hasMore: sessions.length > page.limit };
  }

  /** Every session of a user that is still kept, ended or not, oldest first, so many at a time. */
  async *pagesOfAll(userId: string, rows: number): AsyncGenerator<Session[]> {
    // No index has all of them in this order: they are found once, and then read by their ids.
    const ids = await this.sessions.listIds(userId);
    for (let start = 0; start < ids.length; start += rows) {
      yield this.sessions.listByIds(ids.slice(start, start + rows));
    }
  }

  /**
   * Gives one of the caller's devices a name of their own. Throws {@link SessionNotFoundError} like {@link endOne};
   * `too_many_requests`.
   */
  async rename(caller: Caller, id: string, deviceName: string, source: RequestSource): Promise<Session> {
    await this.renames.consume(caller, source);
    const session = isUUID(id) ? await this.sessions.rename(id, caller.userId, deviceName, source) : null;
    if (!session) {
      throw new SessionNotFoundError();
    }
    return session;
  }

  private requireAuthentic({ token }: PresentedToken): AuthenticRefreshToken {
    const authentic = this.refreshTokens.read(token);
    if (!authentic) {
      throw new InvalidRefreshTokenError();
    }
    return authentic;
  }

  // What to say to a token that did not rotate: one read decides. The token must first prove that its line leads to
  // the token the session holds now; a mac alone could come from a leaked secret, and must end nothing.
  private async requireHonoured(
    token: AuthenticRefreshToken,
    delivery: TokenDelivery,
    source: RequestSource,
  ): Promise<SessionGrant> {
    const state = await this.refreshes.findState(token.sessionId);
    const refreshToken =
      state &&
      token.at(state.session.generation).find((t) => hashRefreshToken(t).equals(state.session.refreshTokenHash));
    const age = state ? state.session.generation - token.generation : 0;
    if (!state) {
      throw new UnknownSessionError();
    }
    if (!refreshToken || state.session.delivery !== delivery || age < 0) {
      throw new InvalidRefreshTokenError();
    }

    if (age > 1 || (age === 1 && !state.honoursPredecessor)) {
      // Committed on its own, before the error: a rollback would bring the session back.
      await this.revocations.revokeReused(token.sessionId, source);
      this.tellRefreshed('reused');
      throw new RefreshTokenReusedError();
    }
    if (state.isRevoked) {
      this.endedUses.note(state.session, source);
      this.tellRefreshed('revoked');
      throw new SessionRevokedError(state.session, state.isJustLoggedOut);
    }
    if (state.isExpired) {
      this.tellRefreshed('expired');
      throw new SessionExpiredError();
    }
    if (age === 0) {
      // Current, open, and yet it did not rotate. Nothing was consumed.
      const delayMs = await this.refreshes.findRotationDelay(token.sessionId, source);
      if (delayMs === null) {
        throw new ServiceUnavailableError();
      }
      this.tellRefreshed('throttled');
      throw new TooManyRequestsError(delayMs);
    }
    return { session: state.session, user: state.user, readAt: state.readAt, refreshToken };
  }

  private isWithinGrace({ session: { rotatedAt }, readAt }: SessionWithUser): boolean {
    return readAt.getTime() - (rotatedAt?.getTime() ?? 0) < this.config.refreshGraceSeconds * 1000;
  }

  private tellRefreshed(outcome: RefreshOutcome): void {
    refreshAnswered.record({ outcome });
  }
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof InvalidRefreshTokenError || error instanceof RefusedForGoodError)) {
    throw error;
  }
}
