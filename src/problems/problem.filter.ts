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
import { problemShapeAt } from './problem-shape.js';
import { isStoreFailure } from './store-failure.js';

// What exceptions of Nest, Fastify and its plugins become, by their status.
const BY_STATUS = [BadRequestError, NotFoundError, BodyTooLargeError, UriTooLongError, UnsupportedMediaTypeError];

/** The one place where a failure becomes an answer. The unexpected is logged whole, and answered without a word of it. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const request = http.getRequest<FastifyRequest>();

    const problem = toProblem(exception);
    // A client that leaves in the middle of its body is no failure of ours; the line of the request says that it did.
    const hasClientLeft = exception === request.raw.errored;
    if (problem.status >= 500 && !hasClientLeft) {
      const where = `${request.method} ${request.routeOptions?.url ?? '(no route)'} ${request.id}`;
      this.logger.error(`${problem.code}: ${where}`, exception instanceof Error ? exception.stack : exception);
    }
    if (reply.sent) {
      return;
    }
    const shape = problemShapeAt(pathOf(request));
    const { code, status, message: detail } = problem;
    void reply
      .code(shape.kindOf({ code, status, detail }).status)
      .headers({ ...shape.headersOf(problem), ...problem.headers })
      .type(`${shape.mediaType}; charset=utf-8`)
      .send(shape.bodyOf(problem, request.id));
  }
}

/** What a failure is to a client. */
export function toProblem(exception: unknown): Problem {
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

// The route's own, however the client spelled it; what the client sent where there is no route.
function pathOf({ routeOptions, url }: FastifyRequest): string {
  return routeOptions?.url?.startsWith('/') ? routeOptions.url : url;
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
