import { defineProblem } from '../../problems/problem.js';

/** Under HS256 there is no public key to verify with. */
export const SignedAnswersError = defineProblem(
  'not_acceptable',
  406,
  'This service signs no answers, since its JWT_ALGORITHM is HS256. Accept application/json.',
);
