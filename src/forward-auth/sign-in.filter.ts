import { type ArgumentsHost, Catch } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemFilter } from '../problems/problem.filter.js';
import { Problem } from '../problems/problem.js';
import { SIGN_IN_RULE } from './demands.js';
import { InvalidParametersError } from './forward-auth.errors.js';
import { isNavigation, SignInPages } from './sign-in.js';

/** Sends a person who is not signed in to the page of `?sign_in=`, where a browser asks for a page. */
@Catch(Problem)
export class SignInFilter extends ProblemFilter {
  constructor(private readonly pages: SignInPages) {
    super();
  }

  override catch(problem: Problem, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest<{ Querystring: { sign_in?: unknown } }>>();
    const signIn = request.query.sign_in;
    if (problem.status !== 401 || signIn === undefined || !isNavigation(request)) {
      return super.catch(problem, host);
    }
    const page = typeof signIn === 'string' ? this.pages.find(signIn) : null;
    if (!page) {
      return super.catch(new InvalidParametersError([{ field: 'sign_in', message: SIGN_IN_RULE }]), host);
    }
    void http.getResponse<FastifyReply>().redirect(this.pages.locationOf(page, request.headers), 302);
  }
}
