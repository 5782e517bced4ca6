import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import type { DataSource } from 'typeorm';
import type { AuditEventType } from '../audit/audit-event.entity.js';
import type { AuditTrail } from '../audit/audit-trail.js';
import type { Caller } from '../http/caller.js';
import { TooManyRequestsError } from '../problems/problem.js';
import type { RequestSource } from '../http/request-source.js';
import { createLimiter, type LimiterOptions, refusalOf } from './limiter.js';
import { limitHit, type LimitName } from './limits.measurements.js';

/**
 * Bounds what one client network, or one account, may do in a window. The first refusal of a window leaves a line in the
 * audit trail.
 */
export class KeyedLimit {
  private readonly limiter: RateLimiterPostgres;

  constructor(
    dataSource: DataSource,
    private readonly audit: AuditTrail,
    private readonly event: AuditEventType,
    private readonly options: LimiterOptions & { readonly name: LimitName; readonly counts: 'address' | 'account' },
  ) {
    // Far beyond the limit it is no accident: the rest of the window is not worth a statement each.
    this.limiter = createLimiter(dataSource, { ...options, givesUpAt: options.points * 2 + 1 });
  }

  /**
   * Counts one. Throws {@link TooManyRequestsError} beyond the limit.
   *
   * @param caller where somebody is signed in, for the trail
   */
  async consume(key: string, source: RequestSource, caller?: Pick<Caller, 'userId' | 'sessionId'>): Promise<void> {
    const refusal = await refusalOf(this.limiter.consume(key));
    if (!refusal) {
      return;
    }
    if (refusal.consumedPoints === this.options.points + 1) {
      const { userId = null, sessionId = null } = caller ?? {};
      const refused = { type: this.event, outcome: 'failure', reason: this.options.counts } as const;
      await this.audit.record({ ...refused, userId, sessionId, actorId: userId }, source);
    }
    limitHit.record({ limit: this.options.name });
    throw new TooManyRequestsError(refusal.msBeforeNext);
  }

  async giveBack(key: string): Promise<void> {
    await this.limiter.reward(key);
  }
}
