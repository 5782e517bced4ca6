import type { KeyObject } from 'node:crypto';
import { endsInEs256Signature } from '../keys/sign-jwt.js';
import type { Moment, SigningKeys } from '../keys/signing-keys.js';
import type { AccessTokenHeader, AccessTokenKeys, AccessTokenSigner } from './access-token-keys.js';
import { headerOf, isExactly } from './jwt-header.js';

// A thumbprint of SHA-256. For anything else the database is not asked.
const KEY_ID = /^[\w-]{43}$/;

const headerFor = (kid: string): AccessTokenHeader => ({ alg: 'ES256', typ: 'at+jwt', kid });

/** ES256: the keys that the service makes, and publishes for those who verify its tokens. */
export class Es256Keys implements AccessTokenKeys {
  constructor(private readonly keys: Pick<SigningKeys, 'find' | 'signing'>) {}

  async signing(moment: Moment): Promise<AccessTokenSigner> {
    const { id, privateKey } = await this.keys.signing(moment);
    return { header: headerFor(id), key: privateKey };
  }

  async verifying(jwt: string): Promise<KeyObject | null> {
    if (!endsInEs256Signature(jwt)) {
      return null;
    }
    const header = headerOf(jwt);
    const kid = header.get('kid');
    if (typeof kid !== 'string' || !KEY_ID.test(kid) || !isExactly(header, headerFor(kid))) {
      return null;
    }
    return (await this.keys.find(kid))?.publicKey ?? null;
  }
}
