import { Problem } from '../problems/problem.js';

/** No account has this id. */
export class UserNotFoundError extends Problem {
  constructor() {
    super('user_not_found');
  }
}
