/** The members of a JWT's header, unverified. None where it is not one. */
export function headerOf(jwt: string): ReadonlyMap<string, unknown> {
  try {
    const header: unknown = JSON.parse(Buffer.from(jwt.split('.', 1)[0] ?? '', 'base64url').toString('utf8'));
    return new Map(typeof header === 'object' && header !== null ? Object.entries(header) : []);
  } catch {
    return new Map();
  }
}

/** Whether a header has exactly these members: no other algorithm, type, key reference or extension (JWT-02, JWT-03). */
export function isExactly(header: ReadonlyMap<string, unknown>, expected: object): boolean {
  const members = Object.entries(expected);
  return header.size === members.length && members.every(([name, value]) => header.get(name) === value);
}
