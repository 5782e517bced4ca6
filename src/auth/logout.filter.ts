import { type ArgumentsHost, Catch, HttpStatus } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Problem } from '../problems/problem.js';
import { ProblemFilter } from '../problems/problem.filter.js';
import { SessionRevokedError } from '../sessions/sessions.errors.js';
import { RefreshCookie } from './refresh-cookie.js';

/**
 * Whoever asks to be logged out loses the cookie, even where there was nothing left to end. An access token whose session
 * was logged out seconds ago is refused like any other, but here it asks for what is done.
 */
@Catch(Problem)
export class LogoutFilter extends ProblemFilter {
  constructor(private readonly cookie: RefreshCookie) {
    super();
  }

  override catch(problem: Problem, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (problem.status === 400 || problem.status === 401) {
      this.cookie.clear(reply);
    }
    if (problem instanceof SessionRevokedError && problem.isJustLoggedOut) {
      void reply.code(HttpStatus.NO_CONTENT).send();
      return;
    }
    super.catch(problem, host);
  }
}
