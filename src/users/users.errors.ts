import { Problem } from '../common/problem.js';

export class EmailTakenError extends Problem {
  constructor() {
    super('email_taken');
  }
}
