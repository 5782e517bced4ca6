import { createHash } from 'node:crypto';
import { RateLimiterRes } from 'rate-limiter-flexible';

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

/** The key of an account: of one length, and no address to read. The e-mail must be normalised. */
export const accountKey = (email: string): string => createHash('sha256').update(email).digest('base64url');
