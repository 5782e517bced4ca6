import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { type Span, trace } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BadRequestError, UriTooLongError } from '../problems/http.errors.js';
import type { Problem } from '../problems/problem.js';
import { URL_MAX_LENGTH } from './adapter.js';
import { answerHeaders } from './answers.js';
import { isAskedByProxy } from './asked-by-proxy.js';
import type { Readiness } from './readiness.js';
import { hasRepeatedHeader } from './repeated-header.js';
import { requestContext } from './request-context.js';
import type { RequestLog } from './request-log.js';
import { isUndecodable } from './undecodable-path.js';

/**
 * What every request begins with, whatever becomes of it. Nest answers preflights ahead of all hooks that are added to Fastify, so
 * this is the one that it calls before.
 */
export function beginRequests(adapter: Pick<FastifyAdapter, 'setOnRequestHook'>, log: RequestLog | null): void {
  adapter.setOnRequestHook((request, reply, done) => {
    log?.(request, reply);
    const span = trace.getActiveSpan();
    if (span) {
      nameSpan(request, span);
    }
    reply.headers(answerHeaders(request.id));
    done();
  });
}

/** What happens around every request, before and after its controller. */
export function registerHooks(fastify: FastifyInstance, readiness: Readiness): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    requestContext.run(request.id, done, refusalOf(request));
  });
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (readiness.isLeaving) {
      // A connection that a client means to keep would hold the closing server for as long.
      reply.header('Connection', 'close');
    }
    done();
  });
}

// Where the process is traced, the span of the request; instrumentation of HTTP knows no routes.
function nameSpan({ method, routeOptions: { url } }: FastifyRequest, span: Span): void {
  if (url !== undefined) {
    span.setAttribute('http.route', url).updateName(`${method} ${url}`);
  }
}

function refusalOf(request: FastifyRequest): Problem | undefined {
  const { raw } = request;
  const isHostless = raw.httpVersion === '1.1' && raw.headers.host === undefined;
  const isBroken = isUndecodable(raw) && !isAskedByProxy(request);
  if (isHostless || isBroken || hasRepeatedHeader(raw, ONCE_ONLY)) {
    return new BadRequestError();
  }
  return raw.url !== undefined && raw.url.length > URL_MAX_LENGTH ? new UriTooLongError() : undefined;
}

// A proxy in front may have taken the last of two (RFC 9112, 3.2 and 11.2).
const ONCE_ONLY = new Set(['host', 'authorization', 'content-type']);
