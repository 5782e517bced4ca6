import type { IncomingMessage } from 'node:http';

/** Whether one of these is there twice, of which Node.js gives the first and says nothing. Names are in lower case. */
export function hasRepeatedHeader(
  { rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>,
  names: ReadonlySet<string>,
): boolean {
  const found = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? '';
    if (names.has(name)) {
      if (found.has(name)) {
        return true;
      }
      found.add(name);
    }
  }
  return false;
}
