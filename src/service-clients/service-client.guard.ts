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
import { formFieldsOf } from '../http/form.js';
import { HandlerMark } from '../http/handler-mark.js';
import { OPTIONAL, Public } from '../http/public.decorator.js';
import { sourceOf } from '../http/request-source.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { InsufficientScopeError, InvalidClientError, InvalidRequestError } from './oauth-errors.js';
import { ClientAuthentication } from './client-authentication.js';
import { readClientCredentials } from './client-credentials.js';
import type { ServiceClientScope } from './service-client.entity.js';
import type { ServiceClient } from './service-clients.repository.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard alone. Null where a route can do without a client, and none was sent. */
    serviceClient?: ServiceClient | null;
  }
}

interface Requirement {
  readonly scope: ServiceClientScope;
  readonly isOptional: boolean;
}

const REQUIREMENT = new HandlerMark<Requirement>();

/** Requires a service client with the scope, as the database has it after the request arrived. */
@Injectable()
class ServiceClientGuard implements CanActivate {
  constructor(private readonly authentication: ClientAuthentication) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const requirement = REQUIREMENT.of(context);
    if (!requirement) {
      throw new Error('This route has the guard of service clients, and no scope.');
    }
    const { scope, isOptional } = requirement;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { authorization } = request.headers;
    const credentials = readClientCredentials({ authorization, form: formFieldsOf(request) });
    if (!credentials && !isOptional) {
      throw new InvalidClientError();
    }
    request.serviceClient = credentials && (await this.authentication.require(credentials, scope, sourceOf(request)));
    return true;
  }
}

/** A route for service clients with this scope, instead of people with an access token. */
export const ForServiceClient = (scope: ServiceClientScope) => admitting({ scope, isOptional: false });

/** A route that takes a service client with this scope, and works without one too. A wrong one is refused. */
export const ForAnyoneOrServiceClient = (scope: ServiceClientScope) => admitting({ scope, isOptional: true });

const admitting = (requirement: Requirement) =>
  applyDecorators(
    Public(),
    REQUIREMENT.set(requirement),
    AdmittedBy(ServiceClientGuard),
    ApiSecurity('serviceClient', [requirement.scope]),
    ...(requirement.isOptional ? [ApiSecurity(OPTIONAL)] : []),
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
