import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { languageFor } from '../texts/texts.js';

/** Hands a controller method the language of ours that its client likes most. */
export const Language = createParamDecorator((_: unknown, context: ExecutionContext): string =>
  languageFor(context.switchToHttp().getRequest<FastifyRequest>().headers['accept-language']),
);
