import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  BadRequestError,
  BodyTooLargeError,
  InternalError,
  NotFoundError,
  RefusedError,
  UnsupportedMediaTypeError,
  UriTooLongError,
} from './http.errors.js';
import { Problem, ServiceUnavailableError, withStatus } from './problem.js';
import { isStoreFailure } from './store-failure.js';

// What exceptions of Nest, Fastify and its plugins become, by their status.
const BY_STATUS = [BadRequestError, NotFoundError, BodyTooLargeError, UriTooLongError, UnsupportedMediaTypeError];

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** The body of an error answer, as RFC 9457 shapes it. */
export function problemBody(problem: Problem, requestId: string): Record<string, unknown> {
  const { status, code, message, errors } = problem;
  return {
    type: 'about:blank',
    // Of a status that nobody registered, what a client has to take it for (RFC 9110, 15).
    title: STATUS_CODES[status] ?? STATUS_CODES[400],
    status,
    detail: message,
    code,
    requestId,
    ...(errors && { errors }),
  };
}

/** The one place where a failure becomes an answer. The unexpected is logged whole, and answered without a word of it. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const { id, method, routeOptions } = http.getRequest<FastifyRequest>();

    const problem = toProblem(exception);
    if (problem.status >= 500) {
      const where = `${method} ${routeOptions?.url ?? '(no route)'} ${id}`;
      this.logger.error(`${problem.code}: ${where}`, exception instanceof Error ? exception.stack : exception);
    }
    if (reply.sent) {
      return;
    }
    void reply
      .code(problem.status)
      .headers({ ...(problem.status === 401 && { 'WWW-Authenticate': challengeOf(problem) }), ...problem.headers })
      .type(PROBLEM_TYPE)
      .send(problemBody(problem, id));
  }
}

function toProblem(exception: unknown): Problem {
  if (exception instanceof Problem) {
    return exception;
  }
  if (isStoreFailure(exception)) {
    return new ServiceUnavailableError();
  }
  const status = statusOf(exception);
  if (status === 503) {
    return new ServiceUnavailableError();
  }
  const Known = BY_STATUS.find((known) => known.status === status);
  if (Known) {
    return new Known();
  }
  return status >= 400 && status < 500 ? new (withStatus(status, RefusedError))() : new InternalError();
}

// RFC 6750, section 3.1: say what is wrong with an access token, and nothing more where none was sent.
const ACCESS_TOKEN_CODES: ReadonlySet<string> = new Set(['invalid_token', 'session_revoked', 'session_expired']);

function challengeOf({ code, message }: Problem): string {
  const realm = 'Bearer realm="latchkey"';
  const description = message.replaceAll('"', "'");
  return ACCESS_TOKEN_CODES.has(code) ? `${realm}, error="invalid_token", error_description="${description}"` : realm;
}

// Nest's own exceptions, and Fastify's, which carry a statusCode.
function statusOf(exception: unknown): number {
  if (exception instanceof HttpException) {
    return exception.getStatus();
  }
  if (exception instanceof Error && 'statusCode' in exception && typeof exception.statusCode === 'number') {
    return exception.statusCode;
  }
  return 500;
}
