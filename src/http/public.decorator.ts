import { SetMetadata } from '@nestjs/common';

export const IS_PUBLIC = Symbol('isPublic');

/** Opens a route to anyone. Every route without it needs an access token whose session is still open. */
export const Public = () => SetMetadata(IS_PUBLIC, true);
