import type { IncomingHttpHeaders } from 'node:http';

type Authorized = Pick<IncomingHttpHeaders, 'authorization'>;

const BEARER = /^Bearer +([\w.-]+)$/i;
const BEARER_SCHEME = /^Bearer\b/i;

/** The access token of a request, to the letter of RFC 6750, section 2.1: one token and nothing after it. Null for anything else. */
export const bearerOf = ({ authorization = '' }: Authorized): string | null => BEARER.exec(authorization)?.[1] ?? null;

/** Whether a request was meant to carry one, be it good or not. */
export const isBearerSent = ({ authorization = '' }: Authorized): boolean => BEARER_SCHEME.test(authorization);
