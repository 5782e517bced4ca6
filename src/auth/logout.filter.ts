import { type ArgumentsHost, Catch } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Problem } from '../common/problem.js';
import { ProblemFilter } from '../common/problem.filter.js';
import { RefreshCookie } from './refresh-cookie.js';

/** Whoever asks to be logged out loses the cookie, even where there was nothing left to end. */
@Catch(Problem)
export class LogoutFilter extends ProblemFilter {
  constructor(private readonly cookie: RefreshCookie) {
    super();
  }

  override catch(problem: Problem, host: ArgumentsHost): void {
    if (problem.status === 400 || problem.status === 401) {
      this.cookie.clear(host.switchToHttp().getResponse<FastifyReply>());
    }
    super.catch(problem, host);
  }
}
