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

/** What became of an authentic refresh token. */
export type RefreshOutcome = 'rotated' | 'repeated' | 'healed' | 'reused' | 'throttled' | 'revoked' | 'expired';

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

/** A protected request was refused for its session. */
export class SessionCheckRefused {
  constructor(readonly reason: 'revoked' | 'expired' | 'mismatch') {}
}
