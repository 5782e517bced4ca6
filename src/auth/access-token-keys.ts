import type { KeyObject } from 'node:crypto';
import type { Moment } from '../keys/signing-keys.js';

/** The header of an access token: these and no other member. */
export interface AccessTokenHeader {
  readonly alg: 'ES256' | 'HS256';
  readonly typ: 'at+jwt';
  /** The id of the key, under ES256. */
  readonly kid?: string;
}

/** The keys of one algorithm. */
export abstract class AccessTokenKeys {
  /** The header of a token that is issued at a moment. It names the key that signs. */
  abstract headerAt(moment: Moment): Promise<AccessTokenHeader>;
  /** The key that signs what has this header. */
  abstract signing(kid: string | undefined): Promise<KeyObject | null>;
  /** The key that verifies a token. Null where its header is not exactly one that we write, or no key of ours is named. */
  abstract verifying(jwt: string): Promise<KeyObject | null>;
}
