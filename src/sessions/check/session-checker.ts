import { Injectable, Logger } from '@nestjs/common';
import type { Caller, OpenSessionState } from '../caller.js';
import { ServiceUnavailableError } from '../../problems/problem.js';
import { within } from '../../problems/within.js';
import { AppConfig } from '../../config/config.js';
import { Gathering } from '../../database/gathering.js';
import type { Time } from '../../database/time.js';
import { SessionActivity } from './session-activity.js';
import { InvalidAccessTokenError, SessionExpiredError, SessionRevokedError } from '../sessions.errors.js';
import { CHECK_REFUSALS, checkRefused, checksAnswered } from '../sessions.measurements.js';
import { ChecksRepository, type SessionState } from './checks.repository.js';

export const CLOCK_SKEW_SECONDS = 30;

// Every one that there is has been used already, as far as this says anything.
const NO_GENERATION = 0;

/** What an authentic access token says about its session. Times are seconds since the epoch. */
export interface SessionClaims {
  readonly tokenId: string;
  readonly sessionId: string;
  readonly userId: string;
  readonly generation: number;
  readonly authenticatedAt: number;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** The key that signed it; null where that is the secret of HS256. */
  readonly keyId: string | null;
}

interface Waiting {
  readonly sessionId: string;
  readonly claims: SessionClaims | null;
  readonly resolve: (state: SessionState | null) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Asks for every protected request whether its session is still open.
 *
 * Strict: each request sees the row as it is after the request arrived, on any number of instances, with no cache and
 * no window. Cheap all the same: requests that wait at the same moment share one query. While one is under way the next
 * gathers, and it starts only after every one of its requests has arrived. Where there are standbys they may say that a
 * session is open, and nothing else: whatever they do not accept is asked of the primary.
 */
@Injectable()
export class SessionChecker {
  private readonly logger = new Logger(SessionChecker.name);
  private readonly gathering = new Gathering<Waiting>((batch) => this.answer(batch));

  constructor(
    private readonly checks: ChecksRepository,
    private readonly activity: SessionActivity,
    private readonly config: AppConfig,
  ) {}

  /**
   * Who is calling, if the session exists, belongs to that user and is open. Throws {@link InvalidAccessTokenError}
   * where the claims contradict the row or their key is revoked or no longer accepted, {@link SessionRevokedError} or
   * {@link SessionExpiredError} where the session is over, {@link ServiceUnavailableError} where the database does not answer
   * within SESSION_CHECK_TIMEOUT_MS.
   */
  async require(claims: SessionClaims): Promise<Caller> {
    const state = await this.ask(claims.sessionId, claims);
    if (!state) {
      // We signed for it, so it existed: it was ended, and has been cleaned away since. That is long after the end of
      // its tokens, unless its user was deleted.
      this.recordRefused('revoked');
      throw isCurrent(claims, secondsOf(new Date())) ? new SessionRevokedError() : new InvalidAccessTokenError();
    }

    const { session, user, readAt, keyIds } = state;
    if (contradicts(claims, state)) {
      this.recordRefused('mismatch');
      throw new InvalidAccessTokenError();
    }
    this.refuseEnded(state);
    this.activity.note(state, claims.generation);
    return {
      userId: user.id,
      sessionId: session.id,
      role: user.role,
      keyId: claims.keyId,
      session,
      user,
      readAt,
      keyIds,
    };
  }

  /**
   * The session of this id and its user, if it is open: for an authentic proof that names a session and no access token. As
   * strict, and it shares the query. Counts as seen; no refresh token was used by it. Throws {@link SessionRevokedError},
   * {@link SessionExpiredError} or {@link ServiceUnavailableError} as {@link require} does.
   */
  async requireSession(sessionId: string): Promise<OpenSessionState> {
    const state = await this.ask(sessionId);
    if (!state) {
      this.recordRefused('revoked');
      throw new SessionRevokedError();
    }
    this.refuseEnded(state);
    this.activity.note(state, NO_GENERATION);
    return state;
  }

  /**
   * Requires that a session whose caller {@link require} accepted is still open, whatever became of the access token: for an
   * answer that takes long. As strict, and it shares the query. Throws {@link SessionRevokedError},
   * {@link SessionExpiredError} or {@link ServiceUnavailableError} as that does.
   */
  async requireOpen(sessionId: string): Promise<void> {
    const state = await this.ask(sessionId);
    if (!state || state.isRevoked) {
      throw new SessionRevokedError();
    }
    if (state.isExpired) {
      throw new SessionExpiredError();
    }
  }

  private ask(sessionId: string, claims: SessionClaims | null = null): Promise<SessionState | null> {
    return new Promise((resolve, reject) => {
      this.gathering.add({ sessionId, claims, resolve, reject });
    });
  }

  private async answer(batch: readonly Waiting[]): Promise<void> {
    const startedAt = performance.now();
    let byStandby = 0;
    let isFailure = false;
    try {
      // A request waits for the query before its own, and then for its own: half the deadline for each.
      byStandby = await within(this.config.sessionCheckTimeoutMs / 2, this.find(batch));
    } catch (error) {
      isFailure = true;
      this.logger.warn(`${batch.length} session checks without an answer: ${String(error)}`);
      for (const { reject } of batch) {
        reject(new ServiceUnavailableError());
      }
    }
    const milliseconds = performance.now() - startedAt;
    checksAnswered.record({ size: batch.length, byStandby, milliseconds, isFailure });
  }

  /** Returns how many of them a standby has answered. */
  private async find(batch: readonly Waiting[]): Promise<number> {
    const left = this.checks.canAskStandby() ? await this.acceptByStandby(batch) : batch;
    if (left.length > 0) {
      const states = byId(await this.checks.findStates(idsOf(left)));
      for (const { sessionId, resolve } of left) {
        resolve(states.get(sessionId) ?? null);
      }
    }
    return batch.length - left.length;
  }

  /** Returns those that it does not accept, for whatever reason. */
  private async acceptByStandby(batch: readonly Waiting[]): Promise<Waiting[]> {
    const states = byId(await this.checks.findStatesAtStandby(idsOf(batch)));
    return batch.filter(({ sessionId, claims, resolve }) => {
      const state = states.get(sessionId);
      const isAccepted = state && !state.isRevoked && !state.isExpired && !(claims && contradicts(claims, state));
      if (isAccepted) resolve(state);
      return !isAccepted;
    });
  }

  private refuseEnded(state: SessionState): void {
    if (state.isRevoked) {
      this.recordRefused('revoked');
      throw new SessionRevokedError(state.session, state.isJustLoggedOut);
    }
    if (state.isExpired) {
      this.recordRefused('expired');
      throw new SessionExpiredError();
    }
  }

  private recordRefused(reason: (typeof CHECK_REFUSALS)[number]): void {
    checkRefused.record({ reason });
  }
}

/** A time as JWTs write it. */
export const secondsOf = (time: Time): number => Math.floor(time.getTime() / 1000);

const idsOf = (batch: readonly Waiting[]): string[] => [...new Set(batch.map(({ sessionId }) => sessionId))];

const byId = (states: readonly SessionState[]) => new Map(states.map((state) => [state.session.id, state]));

const contradicts = (claims: SessionClaims, { session, readAt, keyIds }: SessionState): boolean =>
  (claims.keyId !== null && !keyIds.includes(claims.keyId)) ||
  session.userId !== claims.userId ||
  claims.generation > session.generation ||
  claims.authenticatedAt !== secondsOf(session.authenticatedAt) ||
  !isCurrent(claims, secondsOf(readAt));

// By the clock that all instances share: that of the one which signed may be minutes off, and so may ours.
const isCurrent = ({ issuedAt, expiresAt }: SessionClaims, now: number): boolean =>
  issuedAt <= now + CLOCK_SKEW_SECONDS && expiresAt > now - CLOCK_SKEW_SECONDS;
