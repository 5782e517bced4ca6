import { accept, type AuthorizedRequest } from './accept.js';
import type { Authenticator } from './refusal.js';

// What is used of Fastify, so that its types need not be installed.
interface Reply {
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(payload: string): unknown;
}

export type FastifyHook = (request: AuthorizedRequest, reply: Reply, done: (error?: Error) => void) => void;

export const fastifyHook =
  (verifier: Authenticator): FastifyHook =>
  (request, reply, done) => {
    accept(verifier, request).then(
      () => done(),
      (error: unknown) => refuse(verifier, error, reply, done),
    );
  };

function refuse(verifier: Authenticator, error: unknown, reply: Reply, done: (error?: Error) => void): void {
  try {
    const { status, headers, problem } = verifier.refusalOf(error);
    reply.code(status);
    reply.headers({ ...headers });
    reply.send(JSON.stringify(problem));
  } catch (unexpected) {
    done(unexpected instanceof Error ? unexpected : new Error(String(unexpected)));
  }
}
