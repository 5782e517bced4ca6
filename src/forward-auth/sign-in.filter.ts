import { type ArgumentsHost, Catch } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppConfig } from '../config/config.js';
import { ReturnToAdvice } from '../http/return-to-advice.js';
import { ProblemFilter } from '../problems/problem.filter.js';
import { Problem } from '../problems/problem.js';
import { allowedOrigins, isNavigation, signInLocation } from './sign-in.js';

/** Sends a person who is not signed in to the page of `?sign_in=`, where a browser asks for a page. */
@Catch(Problem)
export class SignInFilter extends ProblemFilter {
  private readonly allowed: ReadonlySet<string>;

  constructor(
    config: AppConfig,
    private readonly advice: ReturnToAdvice,
  ) {
    super();
    this.allowed = allowedOrigins(config);
  }

  override catch(problem: Problem, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest<{ Querystring: { sign_in?: unknown } }>>();
    const signIn = request.query.sign_in;
    if (problem.status !== 401 || signIn === undefined || !isNavigation(request)) {
      return super.catch(problem, host);
    }
    try {
      const location = signInLocation(signIn, request.headers, this.allowed, this.advice);
      void http.getResponse<FastifyReply>().redirect(location, 302);
    } catch (error) {
      super.catch(error, host);
    }
  }
}
