import { defineProblem } from '../../problems/problem.js';

export const ReceiverNotFoundError = defineProblem('receiver_not_found', 404, 'There is no receiver with this id.');

export const DeliveryNotFoundError = defineProblem(
  'delivery_not_found',
  404,
  'The receiver has no delivery with this id. Those that ended more than 30 days ago are deleted.',
);

export const ReceiverDisabledError = defineProblem(
  'receiver_disabled',
  409,
  'The receiver is disabled: nothing is sent to it. Enable it first.',
);

export const NoReceiverSecretError = defineProblem(
  'no_receiver_secret',
  409,
  'The receiver has no secret: what it is sent is signed with the keys at /.well-known/jwks.json.',
);
