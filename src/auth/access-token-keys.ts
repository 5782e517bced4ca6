import type { KeyObject } from 'node:crypto';
import type { JwtHeader } from '../keys/sign-jwt.js';
import type { Moment } from '../keys/signing-keys.js';

/** The header of an access token: these and no other member. The id of the key is there under ES256. */
export interface AccessTokenHeader extends JwtHeader {
  readonly typ: 'at+jwt';
}

/** What signs an access token. */
export interface AccessTokenSigner {
  readonly header: AccessTokenHeader;
  readonly key: KeyObject;
}

/** The keys of one algorithm. */
export abstract class AccessTokenKeys {
  /** The key that signs a token which is issued at a moment, and the header that names it. Throws as the keys do. */
  abstract signing(moment: Moment): Promise<AccessTokenSigner>;
  /** The key that verifies a token. Null where its header is not exactly one that we write, or no key of ours is named. */
  abstract verifying(jwt: string): Promise<KeyObject | null>;
}
