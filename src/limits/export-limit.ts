import { Injectable, Logger } from '@nestjs/common';
import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import { ServiceUnavailableError, TooManyRequestsError } from '../problems/problem.js';
import { refusalOf } from './limiter.js';
import { Limiters } from './limiters.js';
import { limitHit } from './limits.measurements.js';

const MOST_AT_ONCE = 2;
const AGAIN_AFTER_SECONDS = 5;
// As long as the place of an instance that died stays taken.
const LEASE_SECONDS = 60;
const RENEWED_EVERY_MS = 20_000;

/**
 * Lets each user have one export under way, at any number of instances, and each instance a few: what grows with an
 * account's data must leave the others their service (RL-09). No throttle, so RATE_LIMIT does not turn it off.
 */
@Injectable()
export class ExportLimit {
  private readonly logger = new Logger(ExportLimit.name);
  private readonly underWay = new Set<string>();
  private readonly leases: RateLimiterPostgres;

  constructor(limiters: Limiters) {
    this.leases = limiters.create({ name: 'export', points: 1, windowSeconds: LEASE_SECONDS });
  }

  /**
   * Takes a place, and answers with what gives it back. Throws {@link TooManyRequestsError} where the user has one,
   * {@link ServiceUnavailableError} where this instance has none left.
   */
  async enter(userId: string): Promise<() => void> {
    // Those of this instance are known without a statement.
    if (this.underWay.has(userId)) {
      this.refuse();
    }
    if (this.underWay.size >= MOST_AT_ONCE) {
      throw new ServiceUnavailableError(AGAIN_AFTER_SECONDS);
    }
    this.underWay.add(userId);
    try {
      if (await refusalOf(this.leases.consume(userId))) {
        this.refuse();
      }
    } catch (error) {
      this.underWay.delete(userId);
      throw error;
    }
    const renewal = setInterval(() => this.tolerate(this.leases.set(userId, 1, LEASE_SECONDS)), RENEWED_EVERY_MS);
    return () => {
      clearInterval(renewal);
      this.underWay.delete(userId);
      this.tolerate(this.leases.delete(userId));
    };
  }

  private refuse(): never {
    limitHit.record({ limit: 'export_account' });
    throw new TooManyRequestsError(AGAIN_AFTER_SECONDS * 1000);
  }

  // Where the store fails, the place comes free when the lease is over.
  private tolerate(statement: Promise<unknown>): void {
    statement.catch((error: unknown) => this.logger.warn(`Could not write the lease of an export: ${String(error)}`));
  }
}
