import { createHash } from 'node:crypto';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { DataSource } from 'typeorm';

export interface LimiterOptions {
  /** Sets its keys apart from those of other limiters. */
  readonly name: string;
  readonly points: number;
  readonly windowSeconds: number;
  /** From so many points on this instance refuses by itself until the window ends, without a statement. */
  readonly givesUpAt?: number;
}

/** A limiter on the database: exact across instances, and not forgotten at a restart. */
export const createLimiter = (dataSource: DataSource, { name, points, windowSeconds, givesUpAt }: LimiterOptions) =>
  new RateLimiterPostgres({
    storeClient: dataSource,
    storeType: 'typeorm',
    tableName: 'rate_limits',
    tableCreated: true,
    clearExpiredByTimeout: false,
    keyPrefix: name,
    points,
    duration: windowSeconds,
    ...(givesUpAt !== undefined && { inMemoryBlockOnConsumed: givesUpAt }),
  });

/** The limiter's refusal, which comes as a rejection; null if there was none. Throws what the store throws. */
export async function refusalOf(consumption: Promise<unknown>): Promise<RateLimiterRes | null> {
  try {
    await consumption;
    return null;
  } catch (error) {
    if (error instanceof RateLimiterRes) {
      return error;
    }
    throw error;
  }
}

/** What counts for an account: of one length, and nobody's address to read. The e-mail must be normalised. */
export const accountKey = (email: string): string => createHash('sha256').update(email).digest('base64url');
