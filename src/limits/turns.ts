import { Injectable } from '@nestjs/common';
import { TooManyRequestsError } from '../problems/problem.js';

const MOST_WAITING = 10;
const AGAIN_AFTER_MS = 1000;

/**
 * Lets what costs more the more an account has run once at a time for each user on this instance: parallel
 * requests of a user wait for each other, and not with a connection of the database each that others then lack (RL-09).
 */
@Injectable()
export class Turns {
  private readonly queues = new Map<string, { length: number; last: Promise<unknown> }>();

  /** Throws what the work throws; {@link TooManyRequestsError} where too many wait already. */
  async take<T>(userId: string, work: () => Promise<T>): Promise<T> {
    const queue = this.queues.get(userId) ?? { length: 0, last: Promise.resolve() };
    if (queue.length > MOST_WAITING) {
      throw new TooManyRequestsError(AGAIN_AFTER_MS);
    }
    const turn = queue.last.then(work);
    queue.length++;
    queue.last = turn.catch(() => undefined);
    this.queues.set(userId, queue);
    try {
      return await turn;
    } finally {
      queue.length--;
      if (queue.length === 0) {
        this.queues.delete(userId);
      }
    }
  }
}
