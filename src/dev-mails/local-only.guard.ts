import { isIP } from 'node:net';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppConfig } from '../config/config.js';
import { isSameHost } from '../http/cross-site.guard.js';
import { sourceOf } from '../http/request-source.js';
import { NotFoundError } from '../problems/http.errors.js';

/**
 * Lets in the browser of this machine alone: mails have links that give an account away.
 *
 * - The client is on a loopback address, and no proxy says that it passed a request on for another one.
 * - The host is one that we answer to. A page of another site can have its own name lead to this machine (DNS rebinding),
 *   and the browser then takes us for that site, and lets its scripts read; but it still names that site as the host.
 * - A script of another origin is refused even where CORS_ORIGINS lets it read the API.
 */
@Injectable()
export class LocalOnlyGuard implements CanActivate {
  private readonly hosts: ReadonlySet<string>;

  constructor(private readonly config: AppConfig) {
    this.hosts = new Set(['localhost', '[::1]', new URL(config.publicUrl).hostname, config.host]);
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (!this.isLocal(request) || !this.isKnownHost(request.headers.host ?? '') || isOfOtherOrigin(request)) {
      throw new NotFoundError({
        detail:
          'The mails are shown to a browser on this machine alone. They are files in the folder mail of DATA_DIR.',
      });
    }
    return true;
  }

  private isLocal(request: FastifyRequest): boolean {
    const { headers } = request;
    const isPassedOn = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
    // With TRUST_PROXY the address is what a proxy of ours says.
    return isLoopback(sourceOf(request).ip) && (!isPassedOn || this.config.trustProxy !== undefined);
  }

  private isKnownHost(host: string): boolean {
    const hostname = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
    return this.hosts.has(hostname) || isLoopback(hostname);
  }
}

const isLoopback = (address: string): boolean =>
  (isIP(address) === 4 && address.startsWith('127.')) || address === '::1';

// A link from anywhere may lead here: what it opens cannot be read there.
function isOfOtherOrigin({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'] ?? 'none';
  const isNavigation = headers['sec-fetch-mode'] === 'navigate';
  const isForeign = headers.origin !== undefined && !isSameHost(headers.origin, headers.host);
  return isForeign || (!isNavigation && site !== 'same-origin' && site !== 'none');
}
