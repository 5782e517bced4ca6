import { defineProblem } from '../../problems/problem.js';

export const StreamNotFoundError = defineProblem(
  'stream_not_found',
  404,
  'This service client has no stream with this id.',
);

export const StreamExistsError = defineProblem(
  'too_many_streams',
  409,
  'This service client has ten streams. Delete one that is no longer used.',
);
