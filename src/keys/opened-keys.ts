import type { Time } from '../database/time.js';
import type { StoredKey } from './keys.sql.js';
import type { Decrypted, KeyCipher } from './key-cipher.js';
import { type KeyPair, readKey, type SigningAlgorithm } from './signing-key.js';

export interface OpenedKey extends KeyPair {
  readonly signsFrom: Date;
  readonly acceptedUntil: Date | null;
  /** As it was stored when it was opened. */
  readonly encryptedKey: Buffer;
  /** Whether it was encrypted with the secret that is to encrypt from now on. */
  readonly isEncryptedByFirst: boolean;
}

export interface OpenedKeys {
  /** In the order of the rows: for each algorithm, the one that signs last at the end. */
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

/** A row that says another algorithm than its key has was changed: it is no key either. */
function openKey(cipher: KeyCipher, row: StoredKey): OpenedKey | null {
  const { id, algorithm, encryptedKey, signsFrom, acceptedUntil } = row;
  const decrypted = cipher.decrypt(id, encryptedKey);
  const pair = decrypted && pairIn(decrypted);
  if (!pair || pair.algorithm !== algorithm) {
    return null;
  }
  return { ...pair, signsFrom, acceptedUntil, encryptedKey, isEncryptedByFirst: decrypted.isByFirst };
}

/** Null where it is a key of no algorithm of ours, or none: one such row must not take the others with it. */
function pairIn({ content }: Decrypted): KeyPair | null {
  try {
    return readKey(content);
  } catch {
    return null;
  }
}

/**
 * The key of an algorithm that signs at a time: the one that began last. The first one where none has: the clock may be behind the
 * one that a sole key was made by, after a failover. Undefined where there is no key.
 */
export function signingAt(keys: readonly OpenedKey[], algorithm: SigningAlgorithm, time: Time): OpenedKey | undefined {
  const started = (key: OpenedKey) => key.algorithm === algorithm && key.signsFrom.getTime() <= time.getTime();
  return keys.findLast(started) ?? keys.find((key) => key.algorithm === algorithm);
}
