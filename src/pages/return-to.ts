const LONGEST = 4096;
// A browser drops some of these and reads others as a slash: none has a place in an address.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const NO_ADDRESS = /[\u0000-\u0020\u007f\\]/;
// As a proxy writes it that cannot encode, such as nginx: then all that follows belongs to it.
const AS_IT_IS = /[?&]return_to=(https?:\/\/.*)$/s;

/**
 * Where the page may send a person back to, by the `return_to` of its own address. Null for what is not exactly of one of
 * these origins. It is answered as it was parsed here: a browser finds nothing else in it.
 */
export function returnToOf(url: string, origins: readonly string[]): string | null {
  const [, asItIs] = AS_IT_IS.exec(url) ?? [];
  const presented = asItIs === undefined ? decoded(url) : [asItIs];
  const [address = ''] = presented;
  if (presented.length !== 1 || address.length > LONGEST || NO_ADDRESS.test(address) || !URL.canParse(address)) {
    return null;
  }
  const { protocol, origin, username, password, href } = new URL(address);
  // A blob: has the origin of its maker.
  const isPage = protocol === 'https:' || protocol === 'http:';
  return isPage && username === '' && password === '' && origins.includes(origin) ? href : null;
}

const decoded = (url: string): string[] => new URL(url, 'http://localhost').searchParams.getAll('return_to');
