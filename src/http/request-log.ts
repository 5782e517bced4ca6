import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AppConfig } from '../config/config.js';
import { staysOpen } from './stays-open.js';

/** Writes one line for each request, or only for those that an operator must look into. */
export function logRequests(fastify: FastifyInstance, { loggedRequests }: Pick<AppConfig, 'loggedRequests'>): void {
  if (loggedRequests === 'off') {
    return;
  }
  // Looking for secrets costs ten times what writing the line does. Its fields are fixed, and a client has a say in the id
  // alone, which is validated, so there is nothing to find.
  const log = fastify.log.child({}, { redact: [] });
  fastify.addHook('onRequest', (request, reply, done) => {
    // After a complete answer, or when its client has gone: then no hook of Fastify has the reply.
    reply.raw.on('close', () => {
      const line = lineOf(request, reply);
      if (loggedRequests === 'all' || line.aborted || reply.statusCode >= 500) {
        log.info(line, 'request');
      }
    });
    done();
  });
}

function lineOf(request: FastifyRequest, reply: FastifyReply) {
  const { method, routeOptions, user } = request;
  const { headersSent, writableFinished } = reply.raw;
  return {
    requestId: request.id,
    method,
    route: routeOptions.url ?? null,
    // What was decided but never sent may still have been done.
    status: headersSent ? reply.statusCode : null,
    milliseconds: Math.round(reply.elapsedTime),
    ...(user && { userId: user.userId, sessionId: user.sessionId }),
    // Streams are for their clients to end.
    ...(!writableFinished && !staysOpen(request) && { aborted: true }),
  };
}
