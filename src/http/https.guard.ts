import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type IsTrusted, trustedProxies } from './trusted-proxies.js';
import { AppConfig } from '../config/config.js';
import { HttpsRequiredError } from './http.errors.js';

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
    const { headers, protocol, socket } = context.switchToHttp().getRequest<FastifyRequest>();
    const isFromProxy = headers['x-forwarded-proto'] !== undefined && this.isTrusted(socket.remoteAddress ?? '', 0);
    if (this.isSecure && isFromProxy && protocol !== 'https') {
      throw new HttpsRequiredError();
    }
    return true;
  }
}
