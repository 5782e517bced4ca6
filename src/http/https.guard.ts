import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppConfig } from '../config/config.js';
import { defineProblem } from '../problems/problem.js';
import { isAskedByProxy } from './asked-by-proxy.js';
import { type IsTrusted, trustedProxies } from './trusted-proxies.js';

/** The tokens were readable on the way; they must not be accepted (HDR-03). */
const HttpsRequiredError = defineProblem(
  'https_required',
  403,
  'Plain http is not served here. Use https, and log in again.',
);

/**
 * Refuses what a trusted proxy received over plain http, where cookies are for https: tokens that travelled in the open
 * must not go on working because of a redirect (HDR-03). A probe that asks the service directly names no protocol.
 */
@Injectable()
export class HttpsGuard implements CanActivate {
  private readonly isTrusted: IsTrusted;
  private readonly isSecure: boolean;

  constructor({ trustProxy, isCookieSecure }: AppConfig) {
    this.isTrusted = trustedProxies(trustProxy);
    this.isSecure = isCookieSecure;
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.isSecure && this.isPlain(context.switchToHttp().getRequest<FastifyRequest>())) {
      throw new HttpsRequiredError();
    }
    return true;
  }

  private isPlain(request: FastifyRequest): boolean {
    const isFromProxy =
      request.headers['x-forwarded-proto'] !== undefined && this.isTrusted(request.socket.remoteAddress ?? '', 0);
    return isFromProxy && !isAskedByProxy(request) && request.protocol !== 'https';
  }
}
