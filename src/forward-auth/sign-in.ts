import type { IncomingHttpHeaders } from 'node:http';
import type { AppConfig } from '../config/config.js';
import type { ReturnToAdvice } from '../http/return-to-advice.js';
import { InvalidParametersError } from './forward-auth.errors.js';

const RETURN_TO_MAX_LENGTH = 4096;
const FORWARDED = ['x-original-url', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-uri'];

/** The request that a proxy asks with. */
interface Asking {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/** Whether a browser asks for a page, and so a person can be sent to sign in. */
export function isNavigation({ method, headers }: Asking): boolean {
  const methods = [method, headers['x-forwarded-method'] ?? 'GET', headers['x-original-method'] ?? 'GET'];
  return (
    methods.every((one) => one === 'GET') &&
    (headers['sec-fetch-mode'] === 'navigate' || (headers.accept ?? '').includes('text/html'))
  );
}

/** Where people may be sent: to sign in, and back. */
export const allowedOrigins = ({ publicUrl, returnToOrigins }: AppConfig): ReadonlySet<string> =>
  new Set([new URL(publicUrl).origin, ...returnToOrigins]);

/**
 * Where to sign in, with the address to return to where one is forwarded that is allowed. The page checks that address again.
 * Throws {@link InvalidParametersError} where the page itself is none of the allowed.
 */
export function signInLocation(
  signIn: unknown,
  headers: IncomingHttpHeaders,
  allowed: ReadonlySet<string>,
  advice: Pick<ReturnToAdvice, 'on'>,
): string {
  const location = typeof signIn === 'string' ? pageAt(signIn) : null;
  if (!location || !allowed.has(location.origin)) {
    if (location) advice.on(location, false);
    const message = 'must be once, an address on the origin of PUBLIC_URL or on one of RETURN_TO_ORIGINS';
    throw new InvalidParametersError([{ field: 'sign_in', message }]);
  }
  const returnTo = pageAt(forwardedUrl(headers));
  if (returnTo) {
    const isAllowed = allowed.has(returnTo.origin);
    advice.on(returnTo, isAllowed, location.host);
    if (isAllowed) location.searchParams.set('return_to', returnTo.href);
  }
  return location.href;
}

// A client may have written any of it, and can so lead itself alone, and no further than to another allowed page.
function forwardedUrl(headers: IncomingHttpHeaders): string {
  const [original, proto, host, uri] = FORWARDED.map((name) => String(headers[name] ?? ''));
  return original || `${proto}://${host}${uri}`;
}

function pageAt(text: string): URL | null {
  if (text.length > RETURN_TO_MAX_LENGTH || !URL.canParse(text)) {
    return null;
  }
  const url = new URL(text);
  // It begins so where there is no name or password before the host, and it is no `blob:`, which has the origin of its maker.
  return url.href.startsWith(`${url.origin}/`) ? url : null;
}
