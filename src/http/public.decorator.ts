import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiSecurity } from '@nestjs/swagger';

export const IS_PUBLIC = Symbol('isPublic');

/** In the place of a security scheme: what a route takes by its other schemes, it can do without. */
export const OPTIONAL = 'optional';

/** Opens a route to anyone. Every route without it needs an access token whose session is still open. */
export const Public = () => applyDecorators(SetMetadata(IS_PUBLIC, true), ApiSecurity({}));
