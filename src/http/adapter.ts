import { randomUUID } from 'node:crypto';
import { type IncomingMessage, METHODS } from 'node:http';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { AppConfig } from '../config/config.js';
import { answerClientError } from './answers.js';
import { trustedProxies } from './trusted-proxies.js';
import { routeUndecodable } from './undecodable-path.js';

const HEADERS_MAX_BYTES = 16_384;
export const URL_MAX_LENGTH = 8192;
// Node looks for clients that are too slow every half a minute, which would be the shortest time-out there is.
const CONNECTIONS_CHECKED_EVERY_MS = 1000;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** Fastify under Nest: its limits, its ids of requests, and whom it believes about where they came from. */
export function createAdapter(config: AppConfig, logger: Logger): FastifyAdapter {
  return new FastifyAdapter({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // One logger for all: a line names its request itself.
    childLoggerFactory: (parent: FastifyBaseLogger) => parent,
    genReqId: requestIdOf,
    requestIdHeader: false,
    // Always a function: Fastify takes a bare number of hops for "trust no proxy".
    trustProxy: trustedProxies(config.trustProxy),
    requestTimeout: config.requestTimeoutMs,
    http: {
      maxHeaderSize: HEADERS_MAX_BYTES,
      headersTimeout: config.requestTimeoutMs,
      connectionsCheckingInterval: CONNECTIONS_CHECKED_EVERY_MS,
      requireHostHeader: false,
    },
    // An id of any length is an id of nothing, not a broken address.
    routerOptions: { maxParamLength: URL_MAX_LENGTH },
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: routeUndecodable,
  });
}

/** Lets requests through to the router that Fastify or Node would refuse with answers of their own. */
export function acceptEveryRequest(fastify: FastifyInstance): void {
  // We expect nothing, so any expectation is met (RFC 9110, 10.1.1).
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response));
  for (const method of METHODS.filter((one) => one !== 'CONNECT' && !fastify.supportedMethods.includes(one))) {
    fastify.addHttpMethod(method, { hasBody: true });
  }
}

function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const sent = headers['x-request-id'];
  return typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : randomUUID();
}
