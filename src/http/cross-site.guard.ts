import type { IncomingHttpHeaders } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppConfig } from '../config/config.js';
import { defineProblem, type Problem } from '../problems/problem.js';
import { isAskedByProxy } from './asked-by-proxy.js';
import { CorsAdvice } from './cors-advice.js';

export const CrossSiteRequestError = defineProblem(
  'cross_site_request',
  403,
  'A browser sent this request from another site.',
);

// A scheme, a name of 253 characters, and a port.
const ORIGIN_MAX_LENGTH = 300;
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses state-changing requests that a browser sends from another site (CK-03): fetch metadata where the browser has
 * it, the origin otherwise. A request with neither does not come from a browser's page.
 */
@Injectable()
export class CrossSiteGuard implements CanActivate {
  private readonly allowedOrigins: ReadonlySet<string>;
  private readonly ownOrigin: string;

  constructor(
    config: AppConfig,
    private readonly advice: CorsAdvice,
  ) {
    this.allowedOrigins = new Set(config.corsOrigins.map((origin) => new URL(origin).origin));
    this.ownOrigin = new URL(config.publicUrl).origin;
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { method, headers } = request;
    if (!SAFE_METHODS.has(method) && !isAskedByProxy(request) && !this.isTrusted(headers)) {
      throw crossSiteRequest(this.advice.onRefusal(headers.origin, headers.host));
    }
    return true;
  }

  private isTrusted({ origin, host, ...headers }: IncomingHttpHeaders): boolean {
    const site = headers['sec-fetch-site'];
    const isAllowed = origin !== undefined && this.allowedOrigins.has(origin);
    if (site !== undefined) {
      const isOtherSite = site === 'cross-site' || site === 'same-site';
      return site === 'same-origin' || site === 'none' || (isOtherSite && isAllowed);
    }
    return origin === undefined || isAllowed || origin === this.ownOrigin || isSameHost(origin, host);
  }
}

/** The refusal, with advice where there is some. */
export const crossSiteRequest = (advice: string | undefined): Problem =>
  new CrossSiteRequestError(advice === undefined ? {} : { detail: `${CrossSiteRequestError.detail} ${advice}` });

/**
 * Whether a page of the origin is one of this host. The scheme is not compared: behind a proxy that ends TLS we see plain
 * http. A default port may be written or not.
 */
export function isSameHost(origin: string, host = ''): boolean {
  // Of a longer one the parser would still make a name, in more than its length's time.
  if (origin.length > ORIGIN_MAX_LENGTH || host.length > ORIGIN_MAX_LENGTH || !URL.canParse(origin)) {
    return false;
  }
  const { protocol, host: originHost } = new URL(origin);
  const own = `${protocol}//${host}`;
  return originHost !== '' && URL.canParse(own) && new URL(own).host === originHost;
}
