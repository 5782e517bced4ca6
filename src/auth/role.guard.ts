import { applyDecorators, type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { HandlerMark } from '../http/handler-mark.js';
import { sourceOf } from '../http/request-source.js';
import { RefusalTrail } from '../limits/refusal-trail.js';
import { hasRole, type Role } from '../users/user.entity.js';
import { ForbiddenError } from './auth.errors.js';

const REQUIRED_ROLE = new HandlerMark<Role>();

/** The mark alone, without what the OpenAPI document says of it. */
export const RoleRequired = (role: Role) => REQUIRED_ROLE.set(role);

/** Allows a route, or a controller, to one role and those above it. */
export const RequiresRole = (role: Role) =>
  applyDecorators(RoleRequired(role), ApiSecurity('staff'), ApiProblems(ForbiddenError));

/** Refuses a caller without at least the role, as the database has it after the request arrived (JWT-09, ADM-02). */
@Injectable()
export class RoleGuard implements CanActivate {
  constructor(private readonly refusals: RefusalTrail) {}

  canActivate(context: ExecutionContext): true | Promise<never> {
    const required = REQUIRED_ROLE.of(context);
    if (required === undefined) {
      return true;
    }
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    return request.user && hasRole(request.user.role, required) ? true : this.refuse(request);
  }

  private async refuse(request: FastifyRequest): Promise<never> {
    const { userId = null, sessionId = null } = request.user ?? {};
    await this.refusals.record(
      { type: 'access_refused', outcome: 'failure', userId, sessionId, actorId: userId },
      sourceOf(request),
    );
    throw new ForbiddenError();
  }
}
