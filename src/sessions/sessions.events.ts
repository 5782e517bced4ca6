import type { RevocationReason, TokenDelivery } from './session.entity.js';

// News for whoever counts or watches, told after the commit. Nothing depends on anybody listening.

/** A device signed in. */
export class SessionOpened {
  constructor(readonly delivery: TokenDelivery) {}
}

/** Sessions were ended on purpose. */
export class SessionsEnded {
  constructor(
    readonly reason: RevocationReason,
    readonly count: number,
  ) {}
}

export const REFRESH_OUTCOMES = ['rotated', 'repeated', 'healed', 'reused', 'throttled', 'revoked', 'expired'] as const;

/** What became of an authentic refresh token. */
export type RefreshOutcome = (typeof REFRESH_OUTCOMES)[number];

export class RefreshAnswered {
  constructor(readonly outcome: RefreshOutcome) {}
}

/** One query answered, or failed to answer, the session checks that waited for it. */
export class SessionChecksAnswered {
  constructor(
    readonly size: number,
    readonly milliseconds: number,
    readonly isFailure: boolean,
  ) {}
}

export const CHECK_REFUSALS = ['revoked', 'expired', 'mismatch'] as const;

/** A protected request was refused for its session. */
export class SessionCheckRefused {
  constructor(readonly reason: (typeof CHECK_REFUSALS)[number]) {}
}
