import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';

/**
 * The algorithm of access tokens, and of all else that Latchkey and its verifiers read: ECDSA over P-256 with SHA-256 (RFC 7518,
 * section 3.4).
 */
export const SIGNING_ALGORITHM = 'ES256';

/**
 * Those of signing keys. RS256 (RSASSA-PKCS1-v1_5 with SHA-256) signs only what is sent to receivers that take nothing else: nothing
 * that comes to Latchkey is verified with it.
 */
export const SIGNING_ALGORITHMS = [SIGNING_ALGORITHM, 'RS256'] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** Those that an installation with these keys uses: ES256, and RS256 from its first key on, which is made when a receiver needs it. */
export const algorithmsUsedBy = (keys: readonly { readonly algorithm: SigningAlgorithm }[]): SigningAlgorithm[] =>
  SIGNING_ALGORITHMS.filter((one) => one === SIGNING_ALGORITHM || keys.some(({ algorithm }) => algorithm === one));

const CURVE = 'P-256';
const RSA_BITS = 2048;

/** A public key as RFC 7517 writes it. */
type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: typeof CURVE; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string };

/** A pair of keys. Its id is the thumbprint of the public one (RFC 7638), so that it cannot name another. */
export interface KeyPair {
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: PublicJwk;
}

/** Of {@link SIGNING_ALGORITHM}. */
export const generateKey = (): KeyPair => toPair(generateKeyPairSync('ec', { namedCurve: CURVE }).privateKey);

/** In another thread where it takes long: two large primes are a matter of luck, and of a tenth of a second or more. */
export const generateKeyOf = async (algorithm: SigningAlgorithm): Promise<KeyPair> =>
  algorithm === 'RS256'
    ? toPair((await promisify(generateKeyPair)('rsa', { modulusLength: RSA_BITS })).privateKey)
    : generateKey();

/** The private part, as {@link readKey} takes it. */
export const writeKey = ({ privateKey }: KeyPair): Buffer => privateKey.export({ type: 'pkcs8', format: 'der' });

/** Throws where it is not a key of one of the algorithms. */
export const readKey = (content: Buffer): KeyPair =>
  toPair(createPrivateKey({ key: content, type: 'pkcs8', format: 'der' }));

function toPair(privateKey: KeyObject): KeyPair {
  const publicKey = createPublicKey(privateKey);
  const jwk = publicJwk(publicKey);
  const algorithm = jwk.kty === 'RSA' ? 'RS256' : SIGNING_ALGORITHM;
  return { id: thumbprintOf(jwk), algorithm, privateKey, publicKey, jwk };
}

function publicJwk(key: KeyObject): PublicJwk {
  const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' });
  if (kty === 'EC' && crv === CURVE && x !== undefined && y !== undefined) {
    return { kty, crv, x, y };
  }
  if (
    kty === 'RSA' &&
    n !== undefined &&
    e !== undefined &&
    (key.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS
  ) {
    return { kty, n, e };
  }
  throw new Error(`A signing key is not one of ${SIGNING_ALGORITHMS.join(' or ')}.`);
}

// The members in the order of the alphabet, and nothing else.
const thumbprintOf = (jwk: PublicJwk): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(Object.entries(jwk).toSorted(([a], [b]) => (a < b ? -1 : 1)))))
    .digest('base64url');
