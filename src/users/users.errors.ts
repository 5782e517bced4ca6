import { defineProblem } from '../problems/problem.js';

export const EmailTakenError = defineProblem('email_taken', 409, 'An account with this e-mail exists already.');

/** Without this admin there would be none who can log in (AC-03). */
export const LastAdminError = defineProblem(
  'last_admin',
  409,
  'This is the last admin who is not disabled. Make another user an admin first.',
);
