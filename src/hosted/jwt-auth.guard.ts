import { type IncomingMessage, STATUS_CODES } from 'node:http';
import {
  applyDecorators,
  BadRequestException,
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  Injectable,
  Logger,
  ServiceUnavailableException,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { JwtAuthGuard as ServiceJwtAuthGuard } from '../auth/jwt-auth.guard.js';
import { RoleGuard, RoleRequired } from '../auth/role.guard.js';
import { IS_PUBLIC } from '../http/public.decorator.js';
import { hasRepeatedHeader } from '../http/repeated-header.js';
import { BadRequestError } from '../problems/http.errors.js';
import type { Problem } from '../problems/problem.js';
import { toProblem } from '../problems/problem.filter.js';
import { PROBLEM_DETAILS } from '../problems/problem-shape.js';
import type { Role } from '../users/user.entity.js';
import { HostedService } from './hosted-service.js';

/** That of Fastify has the one of Node.js, which Express has itself. */
type Request = IncomingMessage | { readonly raw: IncomingMessage };

/** What both kinds of answers have. */
interface Response {
  header(name: string, value: string): unknown;
}

const AUTHORIZATION: ReadonlySet<string> = new Set(['authorization']);

// A route may have the guard twice, and Nest makes one for each module that names it: what it verifies, it verifies once. By the
// context, which all guards of one handler share, and never by the request: on Express that goes on to other handlers.
const acceptedBy = new WeakMap<ExecutionContext, HostedService>();

/**
 * Requires an access token whose session is open after the request arrived, and the role of `@Roles()` where there is one.
 * For routes of an application, which it refuses with exceptions of Nest: they get the application's own shape.
 *
 * On a controller or a route with `@UseGuards(JwtAuthGuard)`, or on all that are not `@Public()` with
 * `{ provide: APP_GUARD, useExisting: JwtAuthGuard }`.
 */
@Injectable()
export class JwtAuthGuard implements CanActivate {
  private readonly logger = new Logger('Latchkey');

  private readonly tokens: ServiceJwtAuthGuard;
  private readonly roles: RoleGuard;

  constructor(private readonly service: HostedService) {
    this.tokens = service.get(ServiceJwtAuthGuard);
    this.roles = service.get(RoleGuard);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') {
      throw new Error('JwtAuthGuard is for HTTP. Elsewhere use AccessTokens, SessionChecker and SessionWatcher.');
    }
    try {
      return (await this.isAccepted(context)) && (await this.roles.canActivate(context));
    } catch (error) {
      throw this.exceptionOf(error, context.switchToHttp().getResponse<Response>());
    }
  }

  private async isAccepted(context: ExecutionContext): Promise<boolean> {
    if (acceptedBy.get(context) === this.service) {
      return true;
    }
    refuseRepeatedAuthorization(context);
    const isAccepted = (await this.tokens.canActivate(context)) === true;
    if (isAccepted) {
      acceptedBy.set(context, this.service);
    }
    return isAccepted;
  }

  private exceptionOf(error: unknown, response: Response): unknown {
    const problem = toProblem(error);
    if (problem.status === 500) {
      return error;
    }
    if (problem.status > 500) {
      this.logger.error(problem.code, error instanceof Error ? error.stack : undefined);
    }
    for (const [name, value] of Object.entries({ ...PROBLEM_DETAILS.headersOf(problem), ...problem.headers })) {
      response.header(name, value);
    }
    return exceptionOf(problem, error);
  }
}

// As the service does for its own routes, before it reads anything else of a request.
function refuseRepeatedAuthorization(context: ExecutionContext): void {
  const request = context.switchToHttp().getRequest<Request>();
  if (!IS_PUBLIC.of(context) && hasRepeatedHeader('raw' in request ? request.raw : request, AUTHORIZATION)) {
    throw new BadRequestError();
  }
}

function exceptionOf({ status, message, code }: Problem, cause: unknown): HttpException {
  const body = { statusCode: status, message, error: STATUS_CODES[status], code };
  switch (status) {
    case 400:
      return new BadRequestException(body, { cause });
    case 401:
      return new UnauthorizedException(body, { cause });
    case 403:
      return new ForbiddenException(body, { cause });
    case 503:
      return new ServiceUnavailableException(body, { cause });
    default:
      return new HttpException(body, status, { cause });
  }
}

/** Requires a role of a route or a controller, as the database has it after the request arrived, with {@link JwtAuthGuard}. */
export const Roles = (role: Role) => applyDecorators(RoleRequired(role), UseGuards(JwtAuthGuard));
