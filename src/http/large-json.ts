import { applyDecorators, createParamDecorator, type ExecutionContext, type Type } from '@nestjs/common';
import { ApiBody } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { BadRequestError, BodyTooLargeError } from '../problems/http.errors.js';
import { Problem } from '../problems/problem.js';
import type { BodyRule } from './route-body.js';
import { RouteMark } from './route-mark.js';
import { validationPipe } from './validation.js';

/** A body that waits on its socket until the guards have let the request pass. */
export class UnreadBody {
  /** Whether so much may be left of it that its connection cannot carry another request. */
  isOpenEnded: boolean;

  /**
   * @param isShort whether its announced length is within the limit
   * @param readNow resolves to what JSON said, or to the {@link Problem} with it
   */
  constructor(
    isShort: boolean,
    private readonly readNow: () => Promise<unknown>,
  ) {
    this.isOpenEnded = !isShort;
  }

  /** What JSON said. Throws the {@link Problem} with it. */
  async read(): Promise<unknown> {
    // Where the client went away in the middle, there is no one left to answer.
    const body = await this.readNow().catch(() => new BadRequestError());
    this.isOpenEnded = body instanceof BodyTooLargeError;
    if (body instanceof Problem) {
      throw body;
    }
    return body;
  }
}

/** A route that takes JSON beyond the limit of all others. */
export const TakesLargeJson = (Dto: Type, limits: { limitBytes: number; maxMembers: number }): MethodDecorator =>
  applyDecorators(
    RouteMark({ bodyRule: { type: 'large JSON', ...limits } satisfies BodyRule }),
    ApiBody({ type: Dto }),
  );

/** The body of such a request, by its DTO. It is read now, after all guards. */
export const LargeJsonBody = (Dto: Type): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext) => {
    const { body } = context.switchToHttp().getRequest<FastifyRequest>();
    return body instanceof UnreadBody ? body.read() : undefined;
  })(undefined, { transform: (body: unknown) => validationPipe.transform(body, { type: 'body', metatype: Dto }) });
