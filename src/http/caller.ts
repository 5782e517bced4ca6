import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** The user and session of a request, as the session checker found them after the request arrived. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  readonly role: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard alone. Null where a route is public, or a refresh token came instead. */
    user?: Caller | null;
  }
}

const callerOf = (context: ExecutionContext): Caller | null =>
  context.switchToHttp().getRequest<FastifyRequest>().user ?? null;

/** The caller of a protected route. Throws where no guard has set one, which is a mistake of ours. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const caller = callerOf(context);
  if (!caller) {
    throw new Error('This route has no caller for certain: use @OptionalCaller().');
  }
  return caller;
});

/** The caller, or null where a refresh token opened the route, or anyone may call it. */
export const OptionalCaller = createParamDecorator((_: unknown, context: ExecutionContext) => callerOf(context));
