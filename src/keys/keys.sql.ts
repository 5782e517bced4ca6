import { raw, type Sql } from 'sql-template-tag';
import { SIGNING_ALGORITHM, type SigningAlgorithm } from './signing-key.js';

// Whether a key is accepted is decided by the database's clock, in every statement that asks. A revoked one never is again,
// whatever becomes of the clock.
const ACCEPTED = `(accepted_until IS NULL OR accepted_until > statement_timestamp())`;

/** A column: the ids of the signing keys of an algorithm that are accepted, in one text. */
export const acceptedKeyIds = (algorithm: SigningAlgorithm): string =>
  `coalesce((SELECT string_agg(id, ' ') FROM signing_keys WHERE algorithm = '${algorithm}' AND ${ACCEPTED}), '')`;

/**
 * That column for access tokens. A statement computes it once, however many rows it returns. A key that is not in it is refused from
 * the moment its revocation was committed, without a further query; one of another algorithm never is in it.
 */
export const ACCEPTED_KEY_IDS = acceptedKeyIds(SIGNING_ALGORITHM);

/** A signing key as it is stored, and when that was read. */
export interface StoredKey {
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly encryptedKey: Buffer;
  readonly signsFrom: Date;
  /** Null until it has a successor. */
  readonly acceptedUntil: Date | null;
  readonly readAt: Date;
}

/** Every key that is accepted, as {@link StoredKey}: for each algorithm, the one that signs last at the end. */
export const ACCEPTED_KEYS: Sql = raw(
  `SELECT id, algorithm, encrypted_key AS "encryptedKey", signs_from AS "signsFrom", accepted_until AS "acceptedUntil",
     clock_timestamp() AS "readAt"
   FROM signing_keys WHERE ${ACCEPTED} ORDER BY algorithm, signs_from, id`,
);
