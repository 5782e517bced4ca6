import type { IncomingMessage } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { answerFrameworkError } from './answers.js';

const BAD_URL = 'FST_ERR_BAD_URL';
const undecodable = new WeakSet<IncomingMessage>();

/**
 * Takes what Fastify's router refuses. A path that is legal and not UTF-8, as old addresses in Latin-1 are, is routed once more,
 * with another character for each percent sign: only so can it come to a route that takes any path. Every other one has to be
 * refused, by {@link isUndecodable}.
 */
export function routeUndecodable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const { raw, server } = request;
  if (error.code !== BAD_URL || raw.url === undefined || undecodable.has(raw)) {
    answerFrameworkError(error, request, reply);
    return;
  }
  undecodable.add(raw);
  raw.url = raw.url.replace(/^[^?#]*/, (path) => path.replaceAll('%', '~'));
  server.routing(raw, reply.raw);
}

/** Whether the path of a request cannot be decoded, so that the one it was routed by is not its own. */
export const isUndecodable = (raw: IncomingMessage): boolean => undecodable.has(raw);
