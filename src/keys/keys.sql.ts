import { raw, type Sql } from 'sql-template-tag';

// Whether a key is accepted is decided by the database's clock, in every statement that asks. A revoked one never is again,
// whatever becomes of the clock.
const ACCEPTED = `accepted_until IS NULL OR accepted_until > statement_timestamp()`;

/**
 * A column: the ids of the signing keys that are accepted, in one text. A statement computes it once, however many rows it
 * returns. A key that is not in it is refused from the moment its revocation was committed, without a further query.
 */
export const ACCEPTED_KEY_IDS = `coalesce((SELECT string_agg(id, ' ') FROM signing_keys WHERE ${ACCEPTED}), '')`;

/** A signing key as it is stored, and when that was read. */
export interface StoredKey {
  readonly id: string;
  readonly encryptedKey: Buffer;
  readonly signsFrom: Date;
  /** Null until it has a successor. */
  readonly acceptedUntil: Date | null;
  readonly readAt: Date;
}

/** Every key that is accepted, as {@link StoredKey}, the one that signs last at the end. */
export const ACCEPTED_KEYS: Sql = raw(
  `SELECT id, encrypted_key AS "encryptedKey", signs_from AS "signsFrom", accepted_until AS "acceptedUntil",
     clock_timestamp() AS "readAt"
   FROM signing_keys WHERE ${ACCEPTED} ORDER BY signs_from, id`,
);
