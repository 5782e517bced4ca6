import { isIP } from 'node:net';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { isSameHost } from '../http/cross-site.guard.js';
import { peerAddressOf } from '../http/request-source.js';
import { NotFoundError } from '../problems/http.errors.js';

// With any port: a developer may have forwarded another one of this machine to us.
const NAME_OF_THIS_MACHINE = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;
const HEADER_OF_A_PROXY = /^(?:x-forwarded.*|forwarded|x-real-ip|via)$/;

/**
 * Lets in the browser of this machine alone: mails have links that give an account away.
 *
 * - The connection comes from a loopback address. What a proxy says of a client is not asked, whatever TRUST_PROXY says.
 * - No proxy shows: none of its headers is there, and the request is not HTTP/1.0, which browsers do not send and proxies do.
 * - The host is a name of this machine, whatever PUBLIC_URL and HOST say: what is forwarded to us was asked of another one.
 *   A page of another site can have its own name lead here as well (DNS rebinding), and the browser then takes us for that
 *   site, and lets its scripts read; but it still names that site as the host.
 * - A script of another origin is refused even where CORS_ORIGINS lets it read the API.
 *
 * What forwards a connection and leaves no trace in the request stays unseen.
 */
@Injectable()
export class LocalOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const isNamed = NAME_OF_THIS_MACHINE.test(request.headers.host ?? '');
    if (!isNamed || !isLoopback(peerAddressOf(request)) || isPassedOn(request) || isOfOtherOrigin(request)) {
      throw new NotFoundError({
        detail:
          'The mails are shown to a browser on this machine alone, at the name localhost and without a proxy. ' +
          'They are files in the folder mail of DATA_DIR.',
      });
    }
    return true;
  }
}

const isLoopback = (address: string): boolean =>
  (isIP(address) === 4 && address.startsWith('127.')) || address === '::1';

const isPassedOn = ({ raw, headers }: FastifyRequest): boolean =>
  raw.httpVersion === '1.0' || Object.keys(headers).some((name) => HEADER_OF_A_PROXY.test(name));

// A link from anywhere may lead here: what it opens cannot be read there.
function isOfOtherOrigin({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'] ?? 'none';
  const isNavigation = headers['sec-fetch-mode'] === 'navigate';
  const isForeign = headers.origin !== undefined && !isSameHost(headers.origin, headers.host);
  return isForeign || (!isNavigation && site !== 'same-origin' && site !== 'none');
}
