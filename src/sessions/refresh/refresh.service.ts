import { Injectable, Logger } from '@nestjs/common';
import type { RequestSource } from '../../http/request-source.js';
import { ServiceUnavailableError, TooManyRequestsError } from '../../problems/problem.js';
import { within } from '../../problems/within.js';
import { AppConfig } from '../../config/config.js';
import { EndedSessionUses } from '../check/ended-session-uses.js';
import type { SessionGrant, SessionWithUser } from '../session-with-user.js';
import type { TokenDelivery } from '../session.entity.js';
import {
  InvalidRefreshTokenError,
  RefreshTokenReusedError,
  SessionExpiredError,
  SessionRevokedError,
  UnknownSessionError,
} from '../sessions.errors.js';
import { refreshAnswered, type RefreshOutcome } from '../sessions.measurements.js';
import { type AuthenticRefreshToken, hashRefreshToken, type PresentedToken, RefreshTokens } from './refresh-token.js';
import { refreshVerdict } from './refresh-verdict.js';
import { RefreshRepository, type RefreshState } from './refresh.repository.js';

/** Exchanges refresh tokens, and decides about those that cannot be exchanged. */
@Injectable()
export class RefreshService {
  private readonly logger = new Logger(RefreshService.name);

  constructor(
    private readonly refreshes: RefreshRepository,
    private readonly refreshTokens: RefreshTokens,
    private readonly endedSessionUses: EndedSessionUses,
    private readonly config: AppConfig,
  ) {}

  /**
   * Exchanges a refresh token for its successor. Callers who present the same token together get the same successor;
   * so does one whose answer was lost. Any older token ends its session. Throws {@link InvalidRefreshTokenError} where
   * there is none, or it is not ours, and as {@link actOnVerdict} does.
   */
  async refresh(presented: PresentedToken | null, source: RequestSource): Promise<SessionGrant> {
    const token = presented && this.refreshTokens.read(presented.token);
    if (!token) {
      throw new InvalidRefreshTokenError();
    }
    const refreshToken = token.successor;

    const rotated = await this.refreshes.rotate(token, presented.delivery, hashRefreshToken(refreshToken), source);
    if (rotated) {
      record('rotated');
      return { ...rotated, refreshToken };
    }
    const repeated = await this.actOnVerdict(token, presented.delivery, source);
    record(this.isWithinGrace(repeated) ? 'repeated' : 'healed');
    return repeated;
  }

  /**
   * The session that honours a refresh token now, in whichever way that was delivered. Null where none does. Nothing is
   * exchanged, ended or counted by asking. Throws {@link ServiceUnavailableError} where the database does not answer within
   * SESSION_CHECK_TIMEOUT_MS, as for an access token.
   */
  async findHonouring(refreshToken: string): Promise<SessionWithUser | null> {
    const token = this.refreshTokens.read(refreshToken);
    const state = token && (await this.findStateInTime(token.sessionId));
    if (!state) {
      return null;
    }
    const { verdict } = refreshVerdict(token, state.session.delivery, state);
    return verdict === 'current' || verdict === 'predecessor' ? state : null;
  }

  /**
   * Decides about a token that changed no row. Answers the current token where its predecessor is still good; ends the
   * session, and throws {@link RefreshTokenReusedError}, where an older one came back. Throws for everything else:
   * {@link InvalidRefreshTokenError} and {@link UnknownSessionError}, {@link SessionRevokedError},
   * {@link SessionExpiredError}, {@link TooManyRequestsError} where the session rotated too often, and
   * {@link ServiceUnavailableError} where the token is current and nothing keeps it from being exchanged.
   *
   * @param delivery null where it does not matter how the token was delivered
   */
  async actOnVerdict(
    token: AuthenticRefreshToken,
    delivery: TokenDelivery | null,
    source: RequestSource,
  ): Promise<SessionGrant & SessionWithUser> {
    const state = await this.refreshes.findState(token.sessionId);
    const verdict = refreshVerdict(token, delivery ?? state?.session.delivery ?? 'body', state);
    switch (verdict.verdict) {
      case 'unknown':
        throw new UnknownSessionError();
      case 'forged':
        throw new InvalidRefreshTokenError();
      case 'reused':
        // Committed on its own, before the error: a rollback would bring the session back.
        await this.refreshes.revokeReused(verdict.state.session, source);
        record('reused');
        throw new RefreshTokenReusedError();
      case 'revoked':
        this.endedSessionUses.note(verdict.state.session, source);
        record('revoked');
        throw new SessionRevokedError(verdict.state.session, verdict.state.isJustLoggedOut);
      case 'expired':
        record('expired');
        throw new SessionExpiredError();
      case 'current':
        throw await this.refusalOfCurrent(token, source);
      case 'predecessor':
        break;
    }
    const { session, user, readAt, keyIds } = verdict.state;
    return { session, user, readAt, keyIds, refreshToken: verdict.refreshToken };
  }

  private async findStateInTime(sessionId: string): Promise<RefreshState | null> {
    try {
      return await within(this.config.sessionCheckTimeoutMs, this.refreshes.findState(sessionId));
    } catch (error) {
      this.logger.warn(`The session of a refresh token could not be looked up: ${String(error)}`);
      throw new ServiceUnavailableError();
    }
  }

  // The token is current, its session active, and yet nothing was changed or consumed.
  private async refusalOfCurrent({ sessionId }: AuthenticRefreshToken, source: RequestSource): Promise<Error> {
    const delayMs = await this.refreshes.findRotationDelay(sessionId, source);
    if (delayMs === null) {
      return new ServiceUnavailableError();
    }
    record('throttled');
    return new TooManyRequestsError(delayMs, this.config.settingToName('REFRESHES_PER_SESSION'));
  }

  private isWithinGrace({ session: { rotatedAt }, readAt }: SessionWithUser): boolean {
    return readAt.getTime() - (rotatedAt?.getTime() ?? 0) < this.config.refreshGraceSeconds * 1000;
  }
}

const record = (outcome: RefreshOutcome): void => refreshAnswered.record({ outcome });
