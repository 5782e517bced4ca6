import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** Whoever makes a request, as the session checker found them after the request arrived. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  readonly role: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard alone. Null where a route is open or a refresh token spoke instead. */
    user?: Caller | null;
  }
}

/** The caller a guard let in. On a route that is open to anyone there may be none. */
export const CurrentCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<FastifyRequest>().user ?? null,
);
