import { type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Problem, ServiceUnavailableError } from '../problems/problem.js';
import { IS_PUBLIC } from '../http/public.decorator.js';
import { sourceOf } from '../http/request-source.js';
import { EndedSessionUses } from '../sessions/check/ended-session-uses.js';
import { InvalidAccessTokenError, SessionRevokedError } from '../sessions/sessions.errors.js';
import { JwtStrategy } from './jwt.strategy.js';
import { RefreshCookie } from './refresh-cookie.js';

const TAKES_REFRESH_TOKEN = Symbol('takesRefreshToken');

/** A route that accepts a refresh token too: where one is sent, a missing or refused access token does not matter. */
export const TakesRefreshToken = () => SetMetadata(TAKES_REFRESH_TOKEN, true);

/** Requires an access token on every route that is not marked `@Public()`. */
@Injectable()
export class JwtAuthGuard extends AuthGuard() {
  constructor(
    strategy: JwtStrategy,
    private readonly reflector: Reflector,
    private readonly cookie: RefreshCookie,
    private readonly endedSessionUses: EndedSessionUses,
  ) {
    super({ defaultStrategy: strategy.name });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    return this.has(IS_PUBLIC, context) || (await super.canActivate(context)) === true;
  }

  override handleRequest<TCaller>(
    error: unknown,
    caller: TCaller,
    reason: unknown,
    context: ExecutionContext,
  ): TCaller {
    if (caller) {
      return caller;
    }
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (error instanceof SessionRevokedError && error.session) {
      this.endedSessionUses.note(error.session, sourceOf(request));
    }
    // Passport's own refusals, of a missing or forged token, come as no error, with a reason. That the keys cannot be read is
    // one of these, and no verdict.
    const failure = error ?? (reason instanceof ServiceUnavailableError ? reason : null);
    const refusal = failure ?? new InvalidAccessTokenError(request.headers.authorization !== undefined);
    const isRefusal = refusal instanceof Problem && refusal.status === 401;
    if (isRefusal && this.has(TAKES_REFRESH_TOKEN, context) && this.cookie.isRefreshTokenSent(request)) {
      return caller;
    }
    throw refusal;
  }

  private has(mark: symbol, context: ExecutionContext): boolean {
    return this.reflector.getAllAndOverride<boolean>(mark, [context.getHandler(), context.getClass()]) ?? false;
  }
}
