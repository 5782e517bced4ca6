import { measurement } from '../http/measurement.js';
import type { RevocationReason, TokenDelivery } from './session.entity.js';

export const REFRESH_OUTCOMES = ['rotated', 'repeated', 'healed', 'reused', 'throttled', 'revoked', 'expired'] as const;
export type RefreshOutcome = (typeof REFRESH_OUTCOMES)[number];

export const CHECK_REFUSALS = ['revoked', 'expired', 'mismatch'] as const;

interface CheckBatch {
  readonly size: number;
  /** How many of them a standby has answered. */
  readonly byStandby: number;
  readonly milliseconds: number;
  readonly isFailure: boolean;
}

/** A device signed in. */
export const sessionOpened = measurement<{ readonly delivery: TokenDelivery }>('session-opened');

/** Sessions were revoked. */
export const sessionsRevoked = measurement<{ readonly reason: RevocationReason; readonly count: number }>(
  'sessions-revoked',
);

/** What became of an authentic refresh token. */
export const refreshAnswered = measurement<{ readonly outcome: RefreshOutcome }>('refresh-answered');

/** The session checks that waited together were answered, or not. */
export const checksAnswered = measurement<CheckBatch>('session-checks-answered');

/** A protected request was refused for its session. */
export const checkRefused = measurement<{ readonly reason: (typeof CHECK_REFUSALS)[number] }>('session-check-refused');
