import { type ExecutionContext, Injectable } from '@nestjs/common';
import { AuthGuard, type IAuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Problem, ServiceUnavailableError } from '../problems/problem.js';
import { HandlerMark } from '../http/handler-mark.js';
import { IS_PUBLIC } from '../http/public.decorator.js';
import { sourceOf } from '../http/request-source.js';
import type { Caller } from '../sessions/caller.js';
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
    private readonly strategy: JwtStrategy,
    private readonly cookie: RefreshCookie,
    private readonly endedSessionUses: EndedSessionUses,
  ) {
    super({ defaultStrategy: strategy.name });
  }

  override canActivate(context: ExecutionContext): ReturnType<IAuthGuard['canActivate']> {
    if (IS_PUBLIC.of(context)) {
      return true;
    }
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (request.headers.authorization === undefined && this.isRefreshTokenEnough(request, context)) {
      return true;
    }
    const caller = this.strategy.validateRemembered(request);
    return caller ? this.accept(caller, context) : super.canActivate(context);
  }

  // What AuthGuard does with the answer of a strategy. Its own way there costs more than the check, which many requests share.
  private async accept(checked: Promise<Caller>, context: ExecutionContext): Promise<true> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    request.user = await checked.catch((error: unknown) =>
      this.handleRequest<Caller | null>(error, null, null, context),
    );
    return true;
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
    if (isRefusal && this.isRefreshTokenEnough(request, context)) {
      return caller;
    }
    throw refusal;
  }

  private isRefreshTokenEnough(request: FastifyRequest, context: ExecutionContext): boolean {
    return TAKES_REFRESH_TOKEN.of(context) === true && this.cookie.isRefreshTokenSent(request);
  }
}
