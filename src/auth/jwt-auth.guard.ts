import { type ExecutionContext, Injectable } from '@nestjs/common';
import { AuthGuard, type IAuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Problem, ServiceUnavailableError } from '../problems/problem.js';
import { HandlerMark } from '../http/handler-mark.js';
import { IS_PUBLIC } from '../http/public.decorator.js';
import { sourceOf } from '../http/request-source.js';
import { EndedSessionUses } from '../sessions/check/ended-session-uses.js';
import { InvalidAccessTokenError, SessionRevokedError } from '../sessions/sessions.errors.js';
import { JwtStrategy } from './jwt.strategy.js';
import { RefreshCookie } from './refresh-cookie.js';

const TAKES_REFRESH_TOKEN = new HandlerMark<true>();

/** A route that accepts a refresh token too: where one is sent, a missing or refused access token does not matter. */
export const TakesRefreshToken = () => TAKES_REFRESH_TOKEN.set(true);

/** Requires an access token on every route that is not marked `@Public()`. */
@Injectable()
export class JwtAuthGuard extends AuthGuard() {
  constructor(
    strategy: JwtStrategy,
    private readonly cookie: RefreshCookie,
    private readonly endedSessionUses: EndedSessionUses,
  ) {
    super({ defaultStrategy: strategy.name });
  }

  override canActivate(context: ExecutionContext): ReturnType<IAuthGuard['canActivate']> {
    return IS_PUBLIC.of(context) ?? super.canActivate(context);
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
    if (isRefusal && TAKES_REFRESH_TOKEN.of(context) && this.cookie.isRefreshTokenSent(request)) {
      return caller;
    }
    throw refusal;
  }
}
