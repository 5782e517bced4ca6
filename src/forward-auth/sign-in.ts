import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/config.js';
import { acceptedTypes } from '../http/accepted-types.js';
import { ReturnToAdvice } from '../http/return-to-advice.js';

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
  return methods.every((one) => one === 'GET') && (headers['sec-fetch-mode'] === 'navigate' || isHtmlNamed(headers));
}

// By name: that any type will do is what programs say.
const isHtmlNamed = ({ accept }: IncomingHttpHeaders): boolean =>
  acceptedTypes(accept).some((type) => type.toLowerCase() === 'text/html');

/** The pages where people sign in for a proxy, by its `?sign_in=`. */
@Injectable()
export class SignInPages {
  /** Where people may be sent: to sign in, and back. */
  private readonly allowed: ReadonlySet<string>;

  constructor(
    { publicUrl, returnToOrigins }: AppConfig,
    private readonly advice: ReturnToAdvice,
  ) {
    this.allowed = new Set([new URL(publicUrl).origin, ...returnToOrigins]);
  }

  /** The page at an address; null where people may not be sent there. */
  find(address: string): URL | null {
    const page = pageAt(address);
    if (!page || this.allowed.has(page.origin)) {
      return page;
    }
    this.advice.on(page, false);
    return null;
  }

  /** The page, with the address to return to where one is forwarded that is allowed. The page checks that address again. */
  locationOf(page: URL, headers: IncomingHttpHeaders): string {
    const location = new URL(page);
    const returnTo = pageAt(forwardedUrl(headers));
    if (returnTo) {
      const isAllowed = this.allowed.has(returnTo.origin);
      this.advice.on(returnTo, isAllowed, location.host);
      if (isAllowed) location.searchParams.set('return_to', returnTo.href);
    }
    return location.href;
  }
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
