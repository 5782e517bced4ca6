import { defineProblem } from '../problems/problem.js';

export const UserNotFoundError = defineProblem('user_not_found', 404, 'There is no account with this id.');
