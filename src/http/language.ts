import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { languageFor, namedLanguage } from '../texts/texts.js';

const headerOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<FastifyRequest>().headers['accept-language'];

/** Hands a controller method the language of ours that its client likes most. */
export const Language = createParamDecorator((_: unknown, context: ExecutionContext): string =>
  languageFor(headerOf(context)),
);

/** The same, but null where its client names none of ours. */
export const NamedLanguage = createParamDecorator((_: unknown, context: ExecutionContext): string | null =>
  namedLanguage(headerOf(context)),
);
