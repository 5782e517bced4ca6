const LONGEST = 4096;
// A browser drops some of these and reads others as a slash: none has a place in an address.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const NO_ADDRESS = /[\u0000-\u0020\u007f\\]/;
// As a proxy writes it that cannot encode, such as nginx: then all that follows belongs to it.
const AS_IT_IS = /[?&]return_to=(https?:\/\/.*)$/s;

/**
 * Where the page may send a person back to, by the `return_to` of its own address. Null for what is not exactly of one of
 * these origins. It is answered as it was parsed here: a browser finds nothing else in it.
 *
 * @param advise hears of an address that is one of a page, whether or not it is allowed
 */
export function returnToOf(
  url: string,
  origins: readonly string[],
  advise: (address: URL, isAllowed: boolean) => void = () => {},
): string | null {
  const address = pageOf(url);
  if (address === null) {
    return null;
  }
  const isAllowed = origins.includes(address.origin);
  advise(address, isAllowed);
  return isAllowed ? address.href : null;
}

function pageOf(url: string): URL | null {
  const [, asItIs] = AS_IT_IS.exec(url) ?? [];
  const presented = asItIs === undefined ? decoded(url) : [asItIs];
  const [text = ''] = presented;
  if (presented.length !== 1 || text.length > LONGEST || NO_ADDRESS.test(text) || !URL.canParse(text)) {
    return null;
  }
  const address = new URL(text);
  const { protocol, username, password } = address;
  // A blob: has the origin of its maker.
  const isPage = protocol === 'https:' || protocol === 'http:';
  return isPage && username === '' && password === '' ? address : null;
}

const decoded = (url: string): string[] => new URL(url, 'http://localhost').searchParams.getAll('return_to');
