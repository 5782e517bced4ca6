import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { symbols } from 'pino';
import type { AppConfig } from '../config/config.js';
import { staysOpen } from './stays-open.js';

/** Sees to it that a request that begins is logged when it ends. */
export type RequestLog = (request: FastifyRequest, reply: FastifyReply) => void;

/** Writes one line for each request, or only for those that an operator must look into. */
export function requestLog(
  fastify: FastifyInstance,
  { loggedRequests }: Pick<AppConfig, 'loggedRequests'>,
): RequestLog | null {
  if (loggedRequests === 'off') {
    return null;
  }
  // Looking for secrets costs ten times what writing the line does, and looking what has to be escaped three times. Its fields
  // are fixed, and a client has a say in the id alone, which is validated, so there is nothing to find.
  const log = Object.assign(fastify.log.child({}, { redact: [] }), { [symbols.asJsonSym]: textOf });
  return (request, reply) => {
    // After a complete answer, or when its client has gone: then no hook of Fastify has the reply.
    reply.raw.on('close', () => {
      const line = lineOf(request, reply);
      if (loggedRequests === 'all' || line.aborted || reply.statusCode >= 500) {
        log.info(line, 'request');
      }
    });
  };
}

const lineOf = (request: FastifyRequest, { raw, statusCode, elapsedTime }: FastifyReply) => ({
  requestId: request.id,
  method: request.method,
  route: request.routeOptions.url ?? null,
  // What was decided but never sent may still have been done.
  status: raw.headersSent ? statusCode : null,
  milliseconds: Math.round(elapsedTime),
  caller: request.user,
  // Streams are for their clients to end.
  aborted: !raw.writableFinished && !staysOpen(request),
});

/** The line as pino has it. */
function textOf(line: ReturnType<typeof lineOf>, message: string, level: number, time: string): string {
  const { requestId, method, route, status, milliseconds, caller, aborted } = line;
  return (
    `{"level":${level}${time},"requestId":"${requestId}","method":"${method}","route":${JSON.stringify(route)}` +
    `,"status":${status},"milliseconds":${milliseconds}` +
    (caller ? `,"userId":"${caller.userId}","sessionId":"${caller.sessionId}"` : '') +
    `${aborted ? ',"aborted":true' : ''},"msg":"${message}"}\n`
  );
}
