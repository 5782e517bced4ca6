import type { Time } from '../database/time.js';
import type { StoredKey } from './keys.sql.js';
import type { Decrypted, KeyCipher } from './key-cipher.js';
import { type KeyPair, readKey } from './signing-key.js';

export interface OpenedKey extends KeyPair {
  readonly signsFrom: Date;
  readonly acceptedUntil: Date | null;
  /** As it was stored when it was opened. */
  readonly encryptedKey: Buffer;
  /** Whether it was encrypted with the secret that is to encrypt from now on. */
  readonly isEncryptedByFirst: boolean;
}

export interface OpenedKeys {
  /** In the order of the rows. */
  readonly keys: readonly OpenedKey[];
  /** The ids of rows that cannot be opened as they are stored now. */
  readonly unopened: readonly string[];
}

/**
 * Opens rows. One that no secret of ours decrypts is no key for us, unless it is known: another instance may have encrypted
 * it anew, with a secret that we do not have yet.
 */
export function openKeys(
  cipher: KeyCipher,
  stored: readonly StoredKey[],
  known: ReadonlyMap<string, OpenedKey> = new Map(),
): OpenedKeys {
  const keys: OpenedKey[] = [];
  const unopened: string[] = [];
  for (const row of stored) {
    const { id, signsFrom, acceptedUntil } = row;
    const before = known.get(id) ?? null;
    const opened = before?.encryptedKey.equals(row.encryptedKey) ? before : openKey(cipher, row);
    if (!opened) {
      unopened.push(id);
    }
    const key = opened ?? before;
    if (key) {
      keys.push({ ...key, signsFrom, acceptedUntil });
    }
  }
  return { keys, unopened };
}

function openKey(cipher: KeyCipher, { id, encryptedKey, signsFrom, acceptedUntil }: StoredKey): OpenedKey | null {
  const decrypted = cipher.decrypt(id, encryptedKey);
  const pair = decrypted && pairIn(decrypted);
  return pair && { ...pair, signsFrom, acceptedUntil, encryptedKey, isEncryptedByFirst: decrypted.isByFirst };
}

/** Null where it is a key of another kind, or none: one such row must not take the others with it. */
function pairIn({ content }: Decrypted): KeyPair | null {
  try {
    return readKey(content);
  } catch {
    return null;
  }
}

/**
 * The key that signs at a time: the one that began last. The first one where none has: the clock may be behind the one that
 * a sole key was made by, after a failover. Undefined where there is no key.
 */
export const signingAt = (keys: readonly OpenedKey[], time: Time): OpenedKey | undefined =>
  keys.findLast(({ signsFrom }) => signsFrom.getTime() <= time.getTime()) ?? keys[0];
