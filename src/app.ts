import { randomUUID } from 'node:crypto';
import { type IncomingMessage, METHODS } from 'node:http';
import type { NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { trace } from '@opentelemetry/api';
import { isUUID } from 'class-validator';
import { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import { registerBodyParser } from './http/body.js';
import { answerClientError, answerFrameworkError, answerHeaders } from './http/http-errors.js';
import { NestLogger } from './process/logger.js';
import { BadRequestError, MethodNotAllowedError, NotFoundError, UriTooLongError } from './problems/http.errors.js';
import { requestContext } from './http/request-context.js';
import { trustedProxies } from './http/trusted-proxies.js';
import { validationPipe } from './http/validation.js';
import { DOCUMENTED_AUTHENTICATION } from './auth/documented-authentication.js';
import type { AppConfig } from './config/config.js';
import { Readiness } from './http/readiness.js';
import { openApiDocument } from './http/openapi/document.js';

const HEADERS_MAX_BYTES = 16_384;
const URL_MAX_LENGTH = 8192;
// Node looks for clients that are too slow every half a minute, which would be the shortest time-out there is.
const CONNECTIONS_CHECKED_EVERY_MS = 1000;
const PREFLIGHT_SECONDS = 600;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const DOCS = /^\/docs(\/|$)/;
// Swagger UI styles its elements inline; everything else comes from its own files.
const DOCS_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

export const NEST_OPTIONS = { bodyParser: false, abortOnError: false } satisfies NestApplicationOptions;

/** The whole service, ready to listen. The database is reached, and migrated, on the way. */
export async function createApp(config: AppConfig, logger: Logger): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), createAdapter(config, logger), {
    ...NEST_OPTIONS,
    logger: new NestLogger(logger),
  });
  await setUpApp(app, config);
  return app;
}

export function createAdapter(config: AppConfig, logger: Logger): FastifyAdapter {
  return new FastifyAdapter({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // One logger for all: a line names its request itself.
    childLoggerFactory: (parent: FastifyBaseLogger) => parent,
    genReqId: requestIdOf,
    requestIdHeader: false,
    // Always a function: Fastify takes a bare number of hops for "trust nobody".
    trustProxy: trustedProxies(config.trustProxy),
    requestTimeout: config.requestTimeoutMs,
    http: {
      maxHeaderSize: HEADERS_MAX_BYTES,
      headersTimeout: config.requestTimeoutMs,
      connectionsCheckingInterval: CONNECTIONS_CHECKED_EVERY_MS,
      requireHostHeader: false,
    },
    // An id of any length is an id that nobody has, not a broken address.
    routerOptions: { maxParamLength: URL_MAX_LENGTH },
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: answerFrameworkError,
  });
}

/** Everything between the socket and the rooms. Shared by the service, its tests and the OpenAPI document. */
export async function setUpApp(app: NestFastifyApplication, config: AppConfig): Promise<void> {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();

  app.useGlobalPipes(validationPipe);
  // We expect nothing, so any expectation is met (RFC 9110, 10.1.1).
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response));
  for (const method of METHODS.filter((one) => one !== 'CONNECT' && !fastify.supportedMethods.includes(one))) {
    fastify.addHttpMethod(method, { hasBody: true });
  }
  if (config.corsOrigins.length > 0) {
    app.enableCors({
      delegator: (request, done) =>
        done(null, {
          origin: [...config.corsOrigins],
          credentials: true,
          methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
          allowedHeaders: ['Authorization', 'Content-Type', 'Last-Event-ID', 'X-Request-Id'],
          exposedHeaders: ['X-Request-Id', 'Retry-After', 'WWW-Authenticate'],
          maxAge: PREFLIGHT_SECONDS,
          // Any other OPTIONS is a method like the rest, and gets its 405.
          preflight: 'access-control-request-method' in request.headers,
        }),
    });
  }
  registerBodyParser(fastify, config.bodyLimitBytes);
  registerHooks(fastify, app.get(Readiness));
  const methodsOf = collectMethods(fastify);
  if (config.hasSwagger) {
    registerDocsHooks(fastify);
    SwaggerModule.setup('docs', app, () => openApiDocument(app, DOCUMENTED_AUTHENTICATION), {
      customSiteTitle: 'Latchkey',
      swaggerOptions: { persistAuthorization: true, displayRequestDuration: true, withCredentials: true },
    });
  }
  await app.init();
  refuseOtherMethods(fastify, methodsOf);
}

function registerHooks(fastify: FastifyInstance, readiness: Readiness): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { method, routeOptions } = request;
    if (routeOptions.url !== undefined) {
      // Where the process is traced, the span of the request; whoever traces HTTP does not know of routes.
      trace.getActiveSpan()?.setAttribute('http.route', routeOptions.url).updateName(`${method} ${routeOptions.url}`);
    }
    reply.headers(answerHeaders(request.id));
    const isHostless = request.raw.httpVersion === '1.1' && request.headers.host === undefined;
    if (isHostless || hasRepeatedHeader(request.raw)) {
      done(new BadRequestError());
      return;
    }
    const isTooLong = request.raw.url !== undefined && request.raw.url.length > URL_MAX_LENGTH;
    requestContext.run(request.id, done, isTooLong ? new UriTooLongError() : undefined);
  });
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (readiness.isLeaving) {
      // A connection that a client means to keep would hold the closing server for as long.
      reply.header('Connection', 'close');
    }
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions, user } = request;
    request.log.info(
      {
        requestId: request.id,
        method,
        route: routeOptions.url ?? null,
        status: reply.statusCode,
        milliseconds: Math.round(reply.elapsedTime),
        ...(user && { userId: user.userId, sessionId: user.sessionId }),
      },
      'request',
    );
    done();
  });
}

function registerDocsHooks(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (DOCS.test(request.routeOptions.url ?? '')) {
      reply.header('Content-Security-Policy', DOCS_CSP);
    }
    done();
  });
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    const type = reply.getHeader('Content-Type');
    if (type === 'text/html' || type === 'text/yaml' || type === 'application/javascript') {
      // Swagger UI's own answers leave it to the browser to guess (HDR-02).
      reply.type(`${type}; charset=utf-8`);
    }
    done();
  });
}

function collectMethods(fastify: FastifyInstance): ReadonlyMap<string, Set<string>> {
  const methodsOf = new Map<string, Set<string>>();
  fastify.addHook('onRoute', ({ url, method }) => {
    const methods = methodsOf.get(url) ?? new Set<string>();
    methodsOf.set(url, methods);
    for (const one of [method].flat()) {
      methods.add(one);
    }
  });
  return methodsOf;
}

// As routes, so that the router itself tells a wrong method (405) from a wrong address (404).
function refuseOtherMethods(fastify: FastifyInstance, methodsOf: ReadonlyMap<string, Set<string>>): void {
  for (const [url, methods] of methodsOf) {
    const allowed = [...methods].toSorted();
    const others = fastify.supportedMethods.filter((method) => !allowed.includes(method));
    if (url === '*' || others.length === 0) {
      continue;
    }
    fastify.route({
      method: others,
      url,
      handler: ({ params }) => {
        // A parameter takes any text: without a possible id there is no such address, whatever the method.
        const isAddress = Object.values(params ?? {}).every((id) => isUUID(id));
        throw isAddress ? new MethodNotAllowedError({ headers: { Allow: allowed.join(', ') } }) : new NotFoundError();
      },
    });
  }
}

// Node takes the first of these and says nothing; a proxy in front may have taken the last (RFC 9112, 3.2 and 11.2).
const ONCE_ONLY = new Set(['host', 'authorization', 'content-type']);

function hasRepeatedHeader({ rawHeaders }: IncomingMessage): boolean {
  const found = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? '';
    if (ONCE_ONLY.has(name)) {
      if (found.has(name)) {
        return true;
      }
      found.add(name);
    }
  }
  return false;
}

function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const sent = headers['x-request-id'];
  return typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : randomUUID();
}
