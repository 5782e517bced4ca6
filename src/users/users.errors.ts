import { Problem } from '../problems/problem.js';

export class EmailTakenError extends Problem {
  constructor() {
    super('email_taken');
  }
}

/** Without this admin there would be none who can log in (AC-03). */
export class LastAdminError extends Problem {
  constructor() {
    super('last_admin');
  }
}
