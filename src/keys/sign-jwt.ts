import { createHmac, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { KeyPair } from './signing-key.js';

/** What the header of a JWT says of how it is signed, what it is, and by which key. */
export interface JwtHeader {
  readonly alg: 'ES256' | 'HS256';
  readonly typ: string;
  readonly kid?: string;
}

const INTEGER_BYTES = 32;
// 64 bytes, the last of which leaves four bits of its character, which are zero.
const ES256_SIGNATURE = /\.[\w-]{85}[AQgw]$/;

/**
 * Whether a JWT ends in a signature of ES256 as it is written (RFC 4648, section 3.5). Decoders ignore the bits that are left: a
 * token whose last character was changed would be as good as the one that was issued.
 */
export const endsInEs256Signature = (jwt: string): boolean => ES256_SIGNATURE.test(jwt);

/**
 * A signed JWT (RFC 7519), with a key of the algorithm in its header. At once: another thread would take twice the time of
 * the processor for it.
 */
export function signJwt(header: JwtHeader, claims: object, key: KeyObject): string {
  const content = `${encoded(header)}.${encoded(claims)}`;
  const signature = header.alg === 'HS256' ? hmac(content, key) : ecdsa(content, key);
  return `${content}.${signature.toString('base64url')}`;
}

/**
 * The same with a key of any algorithm, for what is sent to receivers. Under RS256 in another thread: there a signature takes ten
 * times as long as under ES256.
 */
export async function signJwtWith(
  { id, algorithm, privateKey }: Pick<KeyPair, 'id' | 'algorithm' | 'privateKey'>,
  typ: string,
  claims: object,
): Promise<string> {
  if (algorithm !== 'RS256') {
    return signJwt({ alg: algorithm, typ, kid: id }, claims, privateKey);
  }
  const content = `${encoded({ alg: algorithm, typ, kid: id })}.${encoded(claims)}`;
  const signature = await promisify(sign)('sha256', Buffer.from(content), privateKey);
  return `${content}.${signature.toString('base64url')}`;
}

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

const hmac = (content: string, key: KeyObject): Buffer => createHmac('sha256', key).update(content).digest();

/**
 * The two integers of the signature, each in 32 bytes (RFC 7518, section 3.4). Node writes them so too where asked to, but
 * with OpenSSL 3.5 that costs as much again as the signature.
 */
function ecdsa(content: string, key: KeyObject): Buffer {
  const der = sign('sha256', Buffer.from(content), key);
  const signature = Buffer.alloc(2 * INTEGER_BYTES);
  // A sequence of two integers, each behind its type and its length in bytes: as few as hold it and its sign.
  let at = 2;
  for (const end of [INTEGER_BYTES, 2 * INTEGER_BYTES]) {
    const next = at + 2 + der.readUInt8(at + 1);
    const integer = der.subarray(at + 2, next).subarray(-INTEGER_BYTES);
    signature.set(integer, end - integer.length);
    at = next;
  }
  return signature;
}
