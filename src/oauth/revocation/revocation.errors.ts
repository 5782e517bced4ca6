import { defineProblem } from '../../problems/problem.js';

export const SubjectNotFoundError = defineProblem('subject_not_found', 404, 'There is no such user here.');
