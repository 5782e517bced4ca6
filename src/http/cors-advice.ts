import { Injectable, Logger } from '@nestjs/common';
import { AppConfig } from '../config/config.js';

// More origins than a developer has; a client can name any number.
const REPORTED_MOST = 50;
const LONGEST_ORIGIN = 300;
// The advice is pasted into shells, and a URL's host may hold what a shell would run: $ ` ; & ( ) { } ' "
const PLAIN_ORIGIN = /^https?:\/\/(?:[a-z\d._-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** What to change so that pages of an origin may call: for developers, whose browser hides the answer from their scripts. */
@Injectable()
export class CorsAdvice {
  private readonly logger = new Logger('CORS');
  private readonly reported = new Set<string>();

  constructor(private readonly config: AppConfig) {}

  /**
   * The advice for the origin of a refused request, also logged, once for each origin. Undefined in production, and for
   * what is no origin that could be allowed, or none that is safe to paste.
   */
  onRefusal(origin: string | undefined, host: string | undefined): string | undefined {
    const url = this.config.isProduction ? null : pageOrigin(origin);
    if (!url) {
      return undefined;
    }
    const better = atHostOf(url, host);
    return this.report(
      url,
      [`${url.origin} is not in CORS_ORIGINS.`, better && openThere(url, better), this.toAllow((better ?? url).origin)]
        .filter(Boolean)
        .join(' '),
    );
  }

  /** The same for an origin that is allowed, but whose pages are of another site: only logged. */
  onForeignCookies(origin: string, host: string | undefined): void {
    const url = this.config.isProduction ? null : pageOrigin(origin);
    const better = url && atHostOf(url, host);
    if (better) {
      this.report(url, [openThere(url, better), this.toAllow(better.origin)].filter(Boolean).join(' '));
    }
  }

  private toAllow(origin: string): string {
    const { corsOrigins } = this.config;
    return corsOrigins.includes(origin)
      ? ''
      : `To let its pages call this service, start it with CORS_ORIGINS=${[...corsOrigins, origin].join(',')}`;
  }

  private report(url: URL, advice: string): string {
    if (!this.reported.has(url.origin) && this.reported.size < REPORTED_MOST) {
      this.reported.add(url.origin);
      this.logger.warn(advice);
    }
    return advice;
  }
}

const openThere = (url: URL, better: URL): string =>
  `Open the page at ${better.origin}: to a browser ${url.hostname} and ${better.hostname} are two sites, and it neither ` +
  `keeps nor sends the refresh cookie from one to the other.`;

function pageOrigin(origin = ''): URL | null {
  const isOrigin = origin.length <= LONGEST_ORIGIN && PLAIN_ORIGIN.test(origin) && URL.canParse(origin);
  const url = isOrigin ? new URL(origin) : null;
  return url?.origin === origin ? url : null;
}

/** The same origin with the name of this machine that the API was called by; null where the names are the same, or not of this machine. */
function atHostOf(url: URL, host = ''): URL | null {
  const own = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
  if (own === url.hostname || !LOOPBACK.has(own) || !LOOPBACK.has(url.hostname)) {
    return null;
  }
  return new URL(`${url.protocol}//${own}${url.port && `:${url.port}`}`);
}
