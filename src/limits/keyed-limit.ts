import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import type { AuditEventType } from '../audit/audit-event.entity.js';
import type { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { refusalOf } from './limiter.js';
import { limitHit, type LimitName } from './limits.measurements.js';

/** Who is signed in, for the audit trail. */
export interface SignedIn {
  readonly userId: string;
  readonly sessionId: string;
}

export interface KeyedLimitOptions {
  readonly name: LimitName;
  /** What it counts for. */
  readonly counts: 'address' | 'account' | 'client';
  readonly points: number;
  readonly windowSeconds: number;
  /** The one that `points` comes from, named in the refusal where the client may learn it. */
  readonly setting: string | undefined;
  /** The line that the first refusal of a window leaves in the audit trail. */
  readonly event: AuditEventType;
}

/** Bounds what one client network, account or service client may do in a window. */
export class KeyedLimit {
  /** @param limiter null where limits are turned off */
  constructor(
    private readonly limiter: RateLimiterPostgres | null,
    private readonly audit: AuditTrail,
    private readonly options: KeyedLimitOptions,
  ) {}

  /**
   * Counts one. Throws {@link TooManyRequestsError} beyond the limit.
   *
   * @param caller who is signed in, for the trail
   */
  async consume(key: string, source: RequestSource, caller?: SignedIn): Promise<void> {
    const refusal = this.limiter && (await refusalOf(this.limiter.consume(key)));
    if (!refusal) {
      return;
    }
    if (refusal.consumedPoints === this.options.points + 1) {
      const { userId = null, sessionId = null } = caller ?? {};
      const { event: type, counts: reason } = this.options;
      await this.audit.record({ type, outcome: 'failure', reason, userId, sessionId, actorId: userId }, source);
    }
    limitHit.record({ limit: this.options.name });
    throw new TooManyRequestsError(refusal.msBeforeNext, this.options.setting);
  }

  /** Takes one back. */
  async giveBack(key: string): Promise<void> {
    await this.limiter?.reward(key);
  }
}
