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

export const StreamDisabledByStaffError = defineProblem(
  'stream_disabled_by_staff',
  403,
  'The operator of this service disabled the stream, and only they can enable it.',
);

export const NoSharedSignalsError = defineProblem(
  'no_shared_signals',
  404,
  'There are no shared signals where JWT_ALGORITHM is HS256: receivers verify them with public keys.',
);
