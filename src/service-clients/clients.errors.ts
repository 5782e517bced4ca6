import { defineProblem } from '../problems/problem.js';

export const ClientNotFoundError = defineProblem('client_not_found', 404, 'There is no service client with this id.');

export const ClientSecretNotFoundError = defineProblem(
  'client_secret_not_found',
  404,
  'The service client has no secret with this id that is valid.',
);

export const ClientNameTakenError = defineProblem(
  'client_name_taken',
  409,
  'Another service client has this name. Give this one another, or the other one a second secret.',
);

export const LastClientSecretError = defineProblem(
  'last_client_secret',
  409,
  'The service client has no other secret: make one and let the service use it first, or end the client.',
);

export const TooManyClientSecretsError = defineProblem(
  'too_many_client_secrets',
  409,
  'The service client has as many secrets as it may have. End one that is not used.',
);
