import type { StoredKey } from './keys.sql.js';
import type { KeyCipher } from './key-cipher.js';
import { type KeyPair, readKey } from './signing-key.js';

export interface OpenedKey extends KeyPair {
  readonly signsFrom: Date;
  readonly acceptedUntil: Date | null;
  /** Whether it is encrypted with the secret that is to encrypt from now on. */
  readonly isEncryptedByFirst: boolean;
}

/**
 * The keys that a secret of ours opens, in their order. A row that none opens is no key for us, unless it is known: another
 * instance may have encrypted it anew, with a secret that we do not have yet.
 */
export function openKeys(
  cipher: KeyCipher,
  stored: readonly StoredKey[],
  known: ReadonlyMap<string, OpenedKey> = new Map(),
): OpenedKey[] {
  return stored.flatMap(({ id, encryptedKey, signsFrom, acceptedUntil }) => {
    const before = known.get(id);
    if (before) {
      return [{ ...before, signsFrom, acceptedUntil }];
    }
    const opened = cipher.decrypt(id, encryptedKey);
    return opened ? [{ ...readKey(opened.content), signsFrom, acceptedUntil, isEncryptedByFirst: opened.isByFirst }] : [];
  });
}

/** The key that signs at a time: the one that began last. Undefined where none has. */
export const signingAt = (keys: readonly OpenedKey[], time: Date): OpenedKey | undefined =>
  keys.findLast(({ signsFrom }) => signsFrom <= time);
