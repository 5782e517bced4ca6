import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { SIGNING_ALGORITHM, type SigningAlgorithm } from './signing-key.js';

/**
 * A key that signs, signed, or will sign. Of each algorithm the one that began last signs. The public part is not stored: it comes out of the
 * private one, so that a row that was not written with the secret is no key at all.
 */
@Entity({ name: 'signing_keys' })
@Index('signing_keys_accepted_until_idx', ['acceptedUntil'])
export class SigningKeyRow {
  @PrimaryColumn({ type: 'text', name: 'id', primaryKeyConstraintName: 'signing_keys_pkey' })
  readonly id!: string;

  @Column({ type: 'text', name: 'algorithm', default: SIGNING_ALGORITHM })
  readonly algorithm!: SigningAlgorithm;

  /** Encrypted: see `KeyCipher`. */
  @Column({ type: 'bytea', name: 'encrypted_key' })
  readonly encryptedKey!: Buffer;

  @Column({ type: 'timestamptz', name: 'created_at', default: () => 'now()' })
  readonly createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'signs_from' })
  readonly signsFrom!: Date;

  /** Null until it has a successor. In the past where it was revoked. */
  @Column({ type: 'timestamptz', name: 'accepted_until', nullable: true })
  readonly acceptedUntil!: Date | null;
}
