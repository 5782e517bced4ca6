import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_DETAILS } from '../problems/problem-shape.js';
import type { ProblemClass } from '../problems/problem.js';
import { BadRequestError, HeadersTooLargeError, RequestTimeoutError } from '../problems/http.errors.js';

const PROBLEM_TYPE = `${PROBLEM_DETAILS.mediaType}; charset=utf-8`;

const PROBLEM_OF_PARSER_ERROR: Readonly<Record<string, ProblemClass>> = {
  HPE_HEADER_OVERFLOW: HeadersTooLargeError,
  ERR_HTTP_REQUEST_TIMEOUT: RequestTimeoutError,
};

/**
 * What every answer carries, errors included: nothing is cached, framed, sniffed or passed on (HDR-01, HDR-02). In lower case,
 * as Fastify keeps them.
 */
export const answerHeaders = (requestId: string) => ({
  'x-request-id': requestId,
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=63072000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
});

/** Answers what no route could be found for, since its address is broken. */
export function answerFrameworkError(_: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const problem = new BadRequestError();
  void reply
    .code(problem.status)
    .headers(answerHeaders(request.id))
    .type(PROBLEM_TYPE)
    .send(PROBLEM_DETAILS.bodyOf(problem, request.id));
}

/**
 * Answers what never became a request: broken HTTP, headers beyond the limit, a client too slow. There is no reply
 * object yet, so the answer is written to the socket, which is closed after it.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = new (PROBLEM_OF_PARSER_ERROR[error.code ?? ''] ?? BadRequestError)();
  const requestId = randomUUID();
  const body = JSON.stringify(PROBLEM_DETAILS.bodyOf(problem, requestId));
  const headers = {
    ...answerHeaders(requestId),
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end([`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`, ...lines, '', body].join('\r\n'));
}
