import type { IncomingHttpHeaders } from 'node:http';

/**
 * The values that a request's cookies of this name have, in their order. By hand, since parsers answer one value of a name and
 * accept similar names: the name must match to the byte, and only a space or tab may stand around a pair (CK-07).
 */
export function cookieValues({ cookie = '' }: Pick<IncomingHttpHeaders, 'cookie'>, name: string): string[] {
  const start = `${name}=`;
  return cookie
    .split(';')
    .map(withoutBlanks)
    .filter((pair) => pair.startsWith(start))
    .map((pair) => pair.slice(start.length));
}

// Step by step: an expression that looks for blanks before an end begins anew at each of them (IN-07).
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';
