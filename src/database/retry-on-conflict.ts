import { codeOf } from '../problems/error-code.js';

const ATTEMPTS = 5;
// serialization_failure, deadlock_detected
const CONFLICT_SQLSTATE = new Set(['40001', '40P01']);

/** Whether the database rolled something back because another transaction was in its way: nothing of it was done. */
export const isConflict = (error: unknown): boolean => CONFLICT_SQLSTATE.has(codeOf(error));

/**
 * Does work again that the database rolled back because of a conflict. The work must be one statement of its own, or one
 * whole transaction. Throws what the last of five attempts throws.
 */
export async function retryOnConflict<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isConflict(error)) {
        throw error;
      }
    }
  }
}
