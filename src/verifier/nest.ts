import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  HttpException,
  type OnApplicationShutdown,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { accept, type AuthorizedRequest } from './accept.js';
import { type Caller, callerOf, findCaller } from './caller.js';
import type { Refusal } from './refusal.js';
import type { Verifier } from './verifier.js';

const IS_PUBLIC = 'latchkey.verifier.public';

/** Opens a route, or all of a controller, to anyone. */
export const Public = () => SetMetadata(IS_PUBLIC, true);

/** The caller that the guard accepted. On a public route there is none, and this throws. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller =>
  callerOf(requestOf(context)),
);

/** The caller that the guard accepted; undefined on a public route. */
export const OptionalCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller | undefined =>
  findCaller(requestOf(context)),
);

/** The refusal as Nest's filters know it. The body is problem details; the headers are set on the response already. */
export class RefusedError extends HttpException {
  // For filters of another copy of Nest, which know errors by these.
  readonly statusCode: number;
  readonly expose = true;

  constructor({ status, problem }: Refusal, cause: unknown) {
    super({ ...problem }, status, { cause });
    this.statusCode = status;
  }
}

// Express and Fastify have this method both.
interface Response {
  header(name: string, value: string): unknown;
}

/**
 * Requires an access token with an open session on every HTTP route that is not marked {@link Public}, under Express and
 * Fastify alike. Closes its verifier when the application closes.
 */
export class LatchkeyGuard implements CanActivate, OnApplicationShutdown {
  private readonly reflector = new Reflector();

  constructor(private readonly verifier: Verifier) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, [context.getHandler(), context.getClass()])) {
      return true;
    }
    const request = requestOf(context);
    try {
      await accept(this.verifier, request);
      return true;
    } catch (error) {
      const refusal = this.verifier.refusalOf(error);
      const response = context.switchToHttp().getResponse<Response>();
      for (const [name, value] of Object.entries(refusal.headers)) response.header(name, value);
      throw new RefusedError(refusal, error);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.verifier.close();
  }
}

function requestOf(context: ExecutionContext): AuthorizedRequest {
  if (context.getType() !== 'http') {
    throw new Error(
      `LatchkeyGuard protects HTTP routes, and this is ${context.getType()}. Mark it @Public() and check it there.`,
    );
  }
  return context.switchToHttp().getRequest<AuthorizedRequest>();
}
