import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { StartError } from '../problems/start-error.js';
import type { HostedService } from './hosted-service.js';

/**
 * Lets the server of an application hand the service its requests, before anything else of the application reads them.
 * Returns the application's routes at addresses of the service, which would never be reached, filled as routes are added; on
 * Express none.
 * Throws {@link StartError} where the server is of a kind that we do not know.
 */
export function hostOn(adapter: AbstractHttpAdapter, service: HostedService): ReadonlySet<string> {
  switch (adapter.getType()) {
    case 'fastify':
      return hostOnFastify(adapter.getInstance(), service);
    case 'express':
      adapter.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
        if (service.has(request)) {
          // Express has written its name by now, which is the application's to say, and not of these routes.
          response.removeHeader('X-Powered-By');
          service.answer(request, response);
        } else {
          next();
        }
      });
      return new Set();
    default:
      throw new StartError(`LatchkeyModule needs Fastify or Express, and this application has ${adapter.getType()}.`);
  }
}

function hostOnFastify(fastify: FastifyInstance, service: HostedService): ReadonlySet<string> {
  const hidden = new Set<string>();
  fastify.addHook('onRoute', ({ url }) => {
    if (service.has({ url: url.replaceAll(/:\w+/g, '0') })) hidden.add(url);
  });
  fastify.addHook('onRequest', ({ raw: request }, reply, done) => {
    if (!service.has(request)) {
      done();
      return;
    }
    reply.hijack();
    service.answer(request, reply.raw);
  });
  return hidden;
}
