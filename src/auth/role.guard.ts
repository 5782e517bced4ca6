import { applyDecorators, type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiSecurity } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { sourceOf } from '../http/request-source.js';
import { RefusalTrail } from '../limits/refusal-trail.js';
import { hasRole, type Role } from '../users/user.entity.js';
import { ForbiddenError } from './auth.errors.js';

const REQUIRED_ROLE = Symbol('requiredRole');

/** The mark alone, without what the OpenAPI document says of it. */
export const RoleRequired = (role: Role) => SetMetadata(REQUIRED_ROLE, role);

/** Allows a route, or a controller, to one role and those above it. */
export const RequiresRole = (role: Role) =>
  applyDecorators(RoleRequired(role), ApiSecurity('staff'), ApiProblems(ForbiddenError));

/** Refuses a caller without at least the role, as the database has it after the request arrived (JWT-09, ADM-02). */
@Injectable()
export class RoleGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly refusals: RefusalTrail,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const required = this.reflector.getAllAndOverride<Role | undefined>(REQUIRED_ROLE, [
      context.getHandler(),
      context.getClass(),
    ]);
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (required === undefined || (request.user && hasRole(request.user.role, required))) {
      return true;
    }
    const { userId = null, sessionId = null } = request.user ?? {};
    await this.refusals.record(
      { type: 'access_refused', outcome: 'failure', userId, sessionId, actorId: userId },
      sourceOf(request),
    );
    throw new ForbiddenError();
  }
}
