import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { AppConfig } from '../config/config.js';
import type { AccessTokenHeader, AccessTokenKeys, AccessTokenSigner } from './access-token-keys.js';
import { headerOf, isExactly } from './jwt-header.js';

const HEADER: AccessTokenHeader = { alg: 'HS256', typ: 'at+jwt' };

/** HS256: the secrets are the keys. The first signs, all verify. */
export class JwtSecrets implements AccessTokenKeys {
  private readonly first: KeyObject;
  private readonly others: readonly KeyObject[];

  constructor({ jwtSecrets: [first = '', ...others] }: Pick<AppConfig, 'jwtSecrets'>) {
    this.first = toKey(first);
    this.others = others.map(toKey);
  }

  signing(): Promise<AccessTokenSigner> {
    return Promise.resolve({ header: HEADER, key: this.first });
  }

  /** The secret that signed the token, or else the first, by which it is refused. */
  verifying(jwt: string): Promise<KeyObject | null> {
    return Promise.resolve(isExactly(headerOf(jwt), HEADER) ? this.signerOf(jwt) : null);
  }

  private signerOf(jwt: string): KeyObject {
    return this.others.find((key) => hasSigned(key, jwt)) ?? this.first;
  }
}

// A KeyObject: a string would be tried as PEM at every token.
const toKey = (secret: string): KeyObject => createSecretKey(Buffer.from(secret, 'utf8'));

function hasSigned(key: KeyObject, jwt: string): boolean {
  const end = jwt.lastIndexOf('.');
  const expected = Buffer.from(createHmac('sha256', key).update(jwt.slice(0, end)).digest('base64url'));
  const signature = Buffer.from(jwt.slice(end + 1));
  return expected.length === signature.length && timingSafeEqual(expected, signature);
}
