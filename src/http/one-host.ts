import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AppConfig } from '../config/config.js';
import { isAskedByProxy } from './asked-by-proxy.js';

/**
 * Outside production sends a browser that opens a page at another name of this machine to the one of PUBLIC_URL: cookies
 * belong to one name, so that a person who is signed in at http://localhost is not at http://127.0.0.1.
 */
export function keepToOneHost(fastify: FastifyInstance, { isProduction, publicUrl }: AppConfig): void {
  const { hostname, port, origin } = new URL(publicUrl);
  if (isProduction || hostname !== 'localhost') {
    return;
  }
  const others = new Set([`127.0.0.1:${port}`, `[::1]:${port}`]);
  fastify.addHook('onRequest', (request, reply, done) => {
    if (isNavigation(request) && !isAskedByProxy(request) && others.has(request.headers.host ?? '')) {
      void reply.redirect(origin + request.url, 307);
      return;
    }
    done();
  });
}

// What is typed into the address bar, or a link. Scripts and other programs get their answer where they ask.
const isNavigation = ({ method, url, headers }: FastifyRequest): boolean =>
  method === 'GET' &&
  url.startsWith('/') &&
  headers['sec-fetch-mode'] === 'navigate' &&
  headers['sec-fetch-dest'] === 'document';
