import { defineProblem } from './problem.js';

// What HTTP itself refuses, and what the filter answers for exceptions of Nest and Fastify.

export const BadRequestError = defineProblem('bad_request', 400, 'The request is not well-formed HTTP.');

export const NotFoundError = defineProblem('not_found', 404, 'There is nothing at this address.');

export const MethodNotAllowedError = defineProblem(
  'method_not_allowed',
  405,
  'This address does not take this method; see the Allow header.',
);

export const RequestTimeoutError = defineProblem('request_timeout', 408, 'The request took too long to arrive.');

export const BodyTooLargeError = defineProblem('body_too_large', 413, 'The body is larger than this service accepts.');

export const UriTooLongError = defineProblem('uri_too_long', 414, 'The address is longer than this service accepts.');

export const UnsupportedMediaTypeError = defineProblem(
  'unsupported_media_type',
  415,
  'Send the body uncompressed, with "Content-Type: application/json".',
);

export const HeadersTooLargeError = defineProblem(
  'headers_too_large',
  431,
  'The headers are larger than this service accepts.',
);

/** Any other refusal of Nest, Fastify or a plugin, with the status that it came with. */
export const RefusedError = defineProblem('refused', 400, 'The request cannot be answered as it was sent.');

export const InternalError = defineProblem(
  'internal_error',
  500,
  'Something went wrong on our side. Quote the requestId when you report it.',
);
