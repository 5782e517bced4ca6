/** Writes a database of places for IPv4 addresses in the format mmdb 2.0, as small as it may be. */
export function mmdbOf(places: Readonly<Record<string, unknown>>): Buffer {
  type Node = [Node | Buffer | null, Node | Buffer | null];
  const nodes: Node[] = [[null, null]];
  const data: Buffer[] = [];
  for (const [address, place] of Object.entries(places)) {
    const bits = address
      .split('.')
      .map((octet) => Number(octet).toString(2).padStart(8, '0'))
      .join('');
    let node = nodes[0]!;
    for (const bit of bits.slice(0, -1)) {
      let next = node[Number(bit)] as Node | null;
      if (!next) {
        next = [null, null];
        nodes.push(next);
        node[Number(bit)] = next;
      }
      node = next;
    }
    const encoded = encode(place);
    node[Number(bits.at(-1))] = encoded;
    data.push(encoded);
  }
  const record = (to: Node | Buffer | null) => {
    const value = Buffer.isBuffer(to)
      ? nodes.length + 16 + data.slice(0, data.indexOf(to)).reduce((sum, { length }) => sum + length, 0)
      : to === null
        ? nodes.length
        : nodes.indexOf(to);
    return Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff]);
  };
  const metadata = {
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: 'Test-City',
    description: { en: 'places of a test' },
    ip_version: 4,
    languages: ['en', 'de'],
    node_count: nodes.length,
    record_size: 24,
  };
  return Buffer.concat([
    ...nodes.flatMap((node) => node.map(record)),
    Buffer.alloc(16),
    ...data,
    Buffer.from('\xAB\xCD\xEFMaxMind.com', 'latin1'),
    encode(metadata),
  ]);
}

const [STRING, UINT32, MAP] = [2, 6, 7];

function encode(value: unknown): Buffer {
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return Buffer.concat([Buffer.from([(STRING << 5) | text.length]), text]);
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return Buffer.concat([Buffer.from([(UINT32 << 5) | 4]), bytes]);
  }
  if (Array.isArray(value)) {
    // The type 11 does not fit into three bits: 0, and then what is above 7.
    return Buffer.concat([Buffer.from([value.length, 4]), ...value.map(encode)]);
  }
  const entries = Object.entries(value as Record<string, unknown>);
  return Buffer.concat([Buffer.from([(MAP << 5) | entries.length]), ...entries.flat().map(encode)]);
}
