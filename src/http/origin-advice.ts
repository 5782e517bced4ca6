import { Logger } from '@nestjs/common';
import type { AppConfig } from '../config/config.js';

// More origins than a developer has; a client can name any number.
const REPORTED_MOST = 50;
const LONGEST_ORIGIN = 300;
// The advice is pasted into shells, and a URL's host may hold what a shell would run: $ ` ; & ( ) { } ' "
const PLAIN_ORIGIN = /^https?:\/\/(?:[a-z\d._-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

interface Setting {
  /** A list of the origins that are allowed. */
  readonly name: string;
  readonly origins: readonly string[];
  /** What an origin in it is for, after "To". */
  readonly purpose: string;
}

/** What to set so that an origin is allowed: for developers, who see what is refused, and not why. */
export abstract class OriginAdvice {
  private readonly reported = new Set<string>();

  protected constructor(
    private readonly config: AppConfig,
    private readonly setting: Setting,
    private readonly logger: Logger,
  ) {}

  /**
   * The advice for an origin that is not allowed, also logged, once for each origin. Undefined in production, and for
   * what is no origin that could be allowed, or none that is safe to paste.
   *
   * @param host that of this service, where its cookies decide
   */
  onRefusal(origin: string | undefined, host?: string): string | undefined {
    const url = this.config.isProduction ? null : pageOrigin(origin);
    if (!url) {
      return undefined;
    }
    const better = atHostOf(url, host);
    return this.report(
      url,
      [
        `${url.origin} is not in ${this.setting.name}.`,
        better && openThere(url, better),
        this.toAllow((better ?? url).origin),
      ]
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
    const { name, origins, purpose } = this.setting;
    return origins.includes(origin) ? '' : `To ${purpose}, start it with ${name}=${[...origins, origin].join(',')}`;
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
  `keeps nor sends cookies from one to the other.`;

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
