import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { AppConfig } from '../config/config.js';
import { isAskedByProxy } from './asked-by-proxy.js';
import type { CorsAdvice } from './cors-advice.js';
import { crossSiteRequest, isSameHost } from './cross-site.guard.js';

const PREFLIGHT_SECONDS = 600;

/** Lets pages of these origins read our answers, with cookies. Without an origin nothing is allowed. */
export function allowOrigins(app: NestFastifyApplication, { corsOrigins: origins, isProduction }: AppConfig): void {
  if (origins.length === 0) {
    return;
  }
  app.enableCors({
    delegator: (request, done) =>
      done(null, {
        origin: isAskedByProxy(request) ? false : [...origins],
        credentials: true,
        methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
        allowedHeaders: ['Authorization', 'Content-Type', 'Last-Event-ID', 'X-Request-Id'],
        exposedHeaders: ['X-Request-Id', 'Retry-After', 'WWW-Authenticate'],
        maxAge: PREFLIGHT_SECONDS,
        // Any other OPTIONS is a method like the rest, and gets its 405; what is refused to developers is explained below.
        preflight:
          'access-control-request-method' in request.headers &&
          (isProduction || origins.includes(request.headers.origin ?? '')),
      }),
  });
}

/**
 * Outside production says why a page of another origin gets nothing: in the log, since the browser hides the answer from
 * its scripts, and in the answer to a preflight, which the browser's tools show.
 */
export function explainRefusals(fastify: FastifyInstance, advice: CorsAdvice, config: AppConfig): void {
  if (config.isProduction) {
    return;
  }
  const ownOrigin = new URL(config.publicUrl).origin;
  fastify.addHook('onRequest', (request, _reply, done) => {
    const { method, headers } = request;
    const { origin, host, 'sec-fetch-site': site } = headers;
    if (
      origin === undefined ||
      site === 'same-origin' ||
      origin === ownOrigin ||
      isSameHost(origin, host) ||
      isAskedByProxy(request)
    ) {
      done();
      return;
    }
    if (config.corsOrigins.includes(origin)) {
      advice.onForeignCookies(origin, host);
      done();
      return;
    }
    const detail = advice.onRefusal(origin, host);
    const isPreflight = method === 'OPTIONS' && 'access-control-request-method' in headers;
    done(isPreflight && detail !== undefined ? crossSiteRequest(detail) : undefined);
  });
}
