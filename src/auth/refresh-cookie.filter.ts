import { type ArgumentsHost, Catch, HttpStatus } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemFilter, toProblem } from '../problems/problem.filter.js';
import { Problem } from '../problems/problem.js';
import { LogoutService } from '../sessions/revoke/logout.service.js';
import { RefusedForGoodError, SessionRevokedError } from '../sessions/sessions.errors.js';
import { RefreshCookie } from './refresh-cookie.js';

/**
 * Clears the cookie whose token is refused for good. Any other refusal leaves it, so that a request that comes too late
 * never takes away the cookie that another one was given.
 */
@Catch(Problem)
export class RefreshCookieFilter extends ProblemFilter {
  constructor(protected readonly cookie: RefreshCookie) {
    super();
  }

  override catch(problem: Problem, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    if (this.isToBeCleared(problem, http.getRequest<FastifyRequest>())) {
      this.cookie.clear(http.getResponse<FastifyReply>());
    }
    super.catch(problem, host);
  }

  protected isToBeCleared(problem: Problem, request: FastifyRequest): boolean {
    return problem instanceof RefusedForGoodError && this.cookie.isPresented(request);
  }
}

/**
 * At logout the cookie goes even where there was nothing left to end. An access token whose session was logged out
 * seconds ago is refused like any other, but here it asks for what is done.
 */
@Catch(Problem)
export class LogoutFilter extends RefreshCookieFilter {
  constructor(
    cookie: RefreshCookie,
    private readonly logouts: LogoutService,
  ) {
    super(cookie);
  }

  override catch(problem: Problem, host: ArgumentsHost): void {
    if (!(problem instanceof SessionRevokedError && problem.isJustLoggedOut)) {
      super.catch(problem, host);
      return;
    }
    // Nest does not wait for a filter; the answer does.
    void this.logouts.confirmEnded().then(
      () => {
        const reply = host.switchToHttp().getResponse<FastifyReply>();
        this.cookie.clear(reply);
        void reply.code(HttpStatus.NO_CONTENT).send();
      },
      (error: unknown) => {
        // What the filter logs.
        super.catch(Object.assign(toProblem(error), error instanceof Error && { stack: error.stack }), host);
      },
    );
  }

  protected override isToBeCleared({ status }: Problem): boolean {
    return status === 400 || status === 401;
  }
}
