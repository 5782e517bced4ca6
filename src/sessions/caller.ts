import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Role } from '../users/user.entity.js';
import type { SessionState } from './check/checks.repository.js';

/** A session that is open, and its user, as the session checker found them after the request arrived. */
export type OpenSessionState = Pick<SessionState, 'session' | 'user' | 'readAt' | 'keyIds'>;

/** Who makes a request: a user with an active session. */
export interface Caller extends OpenSessionState {
  readonly userId: string;
  readonly sessionId: string;
  readonly role: Role;
  /** The key of the access token; null under HS256. */
  readonly keyId: string | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard alone. Null where a route is open or a refresh token was sent instead. */
    user?: Caller | null;
  }
}

/**
 * The caller that the guard accepted. On a public route there is none, and this throws. For a route that is asked very often:
 * what {@link CurrentCaller} answers passes the global validation, as Nest has it for each parameter of a decorator of ours.
 */
export function callerOf({ user }: Pick<FastifyRequest, 'user'>): Caller {
  if (!user) {
    throw new Error('This route has no caller: it is public.');
  }
  return user;
}

const requestOf = (context: ExecutionContext) => context.switchToHttp().getRequest<FastifyRequest>();

/** The same as a parameter. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerOf(requestOf(context)),
);

/** The caller, or null where a refresh token was sent and no good access token. */
export const OptionalCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext) => requestOf(context).user ?? null,
);
