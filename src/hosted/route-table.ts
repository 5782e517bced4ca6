import type { IncomingMessage } from 'node:http';

/** The addresses of the service, as its router has them: `/sessions/:id`, `/verify/*`. */
export class RouteTable {
  private readonly exact: ReadonlySet<string>;
  private readonly pattern: RegExp;

  /** @param excluded beginnings of addresses that are left to the application; `/` is that address alone */
  constructor(
    urls: readonly string[],
    private readonly excluded: readonly string[] = [],
  ) {
    const own = urls.filter((url) => url.startsWith('/') && !this.isExcluded(url));
    const isPattern = (url: string) => /[:*]/.test(url);
    this.exact = new Set(own.filter((url) => !isPattern(url)));
    this.pattern = new RegExp(`^(?:${own.filter(isPattern).map(expressionOf).join('|') || '(?!)'})$`);
  }

  /** Whether a request is for the service, whatever its method. */
  has({ url = '' }: Pick<IncomingMessage, 'url'>): boolean {
    const [path = ''] = url.split('?', 1);
    return this.exact.has(path) || (this.pattern.test(path) && !this.isExcluded(path));
  }

  private isExcluded(path: string): boolean {
    return this.excluded.some((beginning) => path === beginning || path.startsWith(`${beginning}/`));
  }
}

// Percent signs, dots and the like stand for themselves.
const expressionOf = (url: string): string =>
  url
    .split(/(:\w+|\*)/)
    .map((part) => (part === '*' ? '.*' : part.startsWith(':') ? '[^/]+' : part.replace(/[.+^${}()|[\]\\]/g, '\\$&')))
    .join('');
