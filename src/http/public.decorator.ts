import { applyDecorators } from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';
import { HandlerMark } from './handler-mark.js';

export const IS_PUBLIC = new HandlerMark<true>();

/** In the place of a security scheme: what a route takes by its other schemes, it can do without. */
export const OPTIONAL = 'optional';

/** Opens a route to anyone. Every route without it needs an access token whose session is still open. */
export const Public = () => applyDecorators(IS_PUBLIC.set(true), ApiSecurity({}));
