import {
  applyDecorators,
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
} from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { AdmittedBy } from '../http/body.js';
import { formFieldsOf, formProblemOf } from '../http/form.js';
import { HandlerMark } from '../http/handler-mark.js';
import { OPTIONAL, Public } from '../http/public.decorator.js';
import { sourceOf } from '../http/request-source.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { InsufficientScopeError, InvalidClientError, InvalidRequestError } from './oauth-errors.js';
import { InvalidAccessTokenError } from '../sessions/sessions.errors.js';
import { ClientAuthentication } from './client-authentication.js';
import { ClientTokens } from './client-tokens.js';
import { readClientCredentials } from './client-credentials.js';
import type { ServiceClientScope } from './service-client.entity.js';
import type { ServiceClient } from './service-client.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard alone. Null where a route can do without a client, and none was sent. */
    serviceClient?: ServiceClient | null;
  }
}

interface Requirement {
  readonly scope: ServiceClientScope;
  readonly isOptional: boolean;
  /** Whether an access token of a client will do as well as its secret. */
  readonly takesTokens: boolean;
}

const BEARER = /^Bearer +([\w.~+/-]+=*) *$/i;
const REQUIREMENT = new HandlerMark<Requirement>();

/** Requires a service client with the scope, as the database has it after the request arrived. */
@Injectable()
class ServiceClientGuard implements CanActivate {
  constructor(
    private readonly authentication: ClientAuthentication,
    private readonly tokens: ClientTokens,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const requirement = REQUIREMENT.of(context);
    if (!requirement) {
      throw new Error('This route has the guard of service clients, and no scope.');
    }
    const { scope, isOptional, takesTokens } = requirement;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { authorization } = request.headers;
    const [, token] = (takesTokens && BEARER.exec(authorization ?? '')) || [];
    if (token !== undefined) {
      request.serviceClient = await this.requireByToken(token, scope);
      return true;
    }
    const problem = authorization === undefined ? formProblemOf(request) : null;
    if (problem) {
      // The credentials may be in it: whether they are right is neither looked at nor said, and no failure is counted.
      throw problem;
    }
    const credentials = readClientCredentials({ authorization, form: formFieldsOf(request) });
    if (!credentials && !isOptional) {
      throw new InvalidClientError(takesTokens);
    }
    request.serviceClient = credentials && (await this.authentication.require(credentials, scope, sourceOf(request)));
    return true;
  }

  private async requireByToken(token: string, scope: ServiceClientScope): Promise<ServiceClient> {
    const client = await this.tokens.find(token);
    if (!client) {
      throw new InvalidAccessTokenError();
    }
    if (!client.scopes.includes(scope)) {
      throw new InsufficientScopeError({
        detail: `This token, or its service client, does not have the scope ${scope}.`,
        headers: { 'WWW-Authenticate': `Bearer realm="latchkey", error="insufficient_scope", scope="${scope}"` },
      });
    }
    return client;
  }
}

/** A route for service clients with this scope, instead of people with an access token. */
export const ForServiceClient = (scope: ServiceClientScope) =>
  admitting({ scope, isOptional: false, takesTokens: false });

/** The same, where an access token of the client from `/oauth/token` will do as well. */
export const ForServiceClientOrToken = (scope: ServiceClientScope) =>
  admitting({ scope, isOptional: false, takesTokens: true });

/** A route that takes a service client with this scope, and works without one too. A wrong one is refused. */
export const ForAnyoneOrServiceClient = (scope: ServiceClientScope) =>
  admitting({ scope, isOptional: true, takesTokens: false });

const admitting = (requirement: Requirement) =>
  applyDecorators(
    Public(),
    REQUIREMENT.set(requirement),
    AdmittedBy(ServiceClientGuard),
    ApiSecurity('serviceClient', [requirement.scope]),
    ...(requirement.isOptional ? [ApiSecurity(OPTIONAL)] : []),
    ...(requirement.takesTokens ? [ApiProblems(InvalidAccessTokenError)] : []),
    ApiProblems(InvalidClientError, InvalidRequestError, InsufficientScopeError, TooManyRequestsError),
  );

/** The client that the guard accepted. On a route without {@link ForServiceClient} there is none, and this throws. */
export const CurrentClient = createParamDecorator((_: unknown, context: ExecutionContext): ServiceClient => {
  const client = clientOf(context);
  if (!client) {
    throw new Error('This route has no service client: it is not marked with @ForServiceClient().');
  }
  return client;
});

/** The client, or null where none was sent. */
export const OptionalClient = createParamDecorator((_: unknown, context: ExecutionContext) => clientOf(context));

const clientOf = (context: ExecutionContext): ServiceClient | null =>
  context.switchToHttp().getRequest<FastifyRequest>().serviceClient ?? null;
