import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

/** The algorithm of every signing key: ECDSA over P-256 with SHA-256 (RFC 7518, section 3.4). */
export const SIGNING_ALGORITHM = 'ES256';
const CURVE = 'P-256';

/** A public key as RFC 7517 writes it. */
interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: typeof CURVE;
  readonly x: string;
  readonly y: string;
}

/** A pair of keys. Its id is the thumbprint of the public one (RFC 7638), so that it cannot name another. */
export interface KeyPair {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: PublicJwk;
}

export const generateKey = (): KeyPair => toPair(generateKeyPairSync('ec', { namedCurve: CURVE }).privateKey);

/** The private part, as {@link readKey} takes it. */
export const writeKey = ({ privateKey }: KeyPair): Buffer => privateKey.export({ type: 'pkcs8', format: 'der' });

/** Throws where it is not a key of this kind. */
export const readKey = (content: Buffer): KeyPair =>
  toPair(createPrivateKey({ key: content, type: 'pkcs8', format: 'der' }));

function toPair(privateKey: KeyObject): KeyPair {
  const publicKey = createPublicKey(privateKey);
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  if (kty !== 'EC' || crv !== CURVE || x === undefined || y === undefined) {
    throw new Error(`A signing key is not one of ${SIGNING_ALGORITHM}.`);
  }
  const jwk: PublicJwk = { kty, crv, x, y };
  return { id: thumbprintOf(jwk), privateKey, publicKey, jwk };
}

// The members in the order of the alphabet, and nothing else.
const thumbprintOf = ({ crv, kty, x, y }: PublicJwk): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
