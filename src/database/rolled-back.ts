import { codeOf } from '../problems/error-code.js';

const ATTEMPTS = 5;
// serialization_failure, deadlock_detected
const ROLLED_BACK_SQLSTATE = new Set(['40001', '40P01']);

/**
 * Does work again that the database rolled back because somebody else was in its way: nothing of it was done. The work
 * must be one statement of its own, or one whole transaction. Throws what the last of five attempts throws.
 */
export async function againIfRolledBack<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !ROLLED_BACK_SQLSTATE.has(codeOf(error))) {
        throw error;
      }
    }
  }
}
