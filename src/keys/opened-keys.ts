import type { StoredKey } from './keys.sql.js';
import type { KeySeal } from './key-seal.js';
import { type KeyPair, readKey } from './signing-key.js';

export interface OpenedKey extends KeyPair {
  readonly signsFrom: Date;
  readonly acceptedUntil: Date | null;
  /** Whether it is sealed with the secret that is to seal from now on. */
  readonly isSealedByFirst: boolean;
}

/**
 * The keys that a secret of ours opens, in their order. A row that none opens is no key for us, unless it is known: another
 * instance may have sealed it anew, with a secret that we do not have yet.
 */
export function openKeys(
  seal: KeySeal,
  stored: readonly StoredKey[],
  known: ReadonlyMap<string, OpenedKey> = new Map(),
): OpenedKey[] {
  return stored.flatMap(({ id, sealedKey, signsFrom, acceptedUntil }) => {
    const before = known.get(id);
    if (before) {
      return [{ ...before, signsFrom, acceptedUntil }];
    }
    const opened = seal.open(id, sealedKey);
    return opened ? [{ ...readKey(opened.content), signsFrom, acceptedUntil, isSealedByFirst: opened.isByFirst }] : [];
  });
}

/** The key that signs at a time: the one that began last. Undefined where none has. */
export const signingAt = (keys: readonly OpenedKey[], time: Date): OpenedKey | undefined =>
  keys.findLast(({ signsFrom }) => signsFrom <= time);
