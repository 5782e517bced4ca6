import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

export const TOKEN_PURPOSES = ['email_verification', 'email_change', 'email_undo', 'password_reset', 'disown'] as const;
export type TokenPurpose = (typeof TOKEN_PURPOSES)[number];

/** A token that was sent by mail, as its SHA-256. Used once, or until it expires. */
@Entity({ name: 'mailed_tokens' })
@Index('mailed_tokens_user_id_idx', ['userId'])
@Index('mailed_tokens_expires_at_idx', ['expiresAt'])
export class MailedToken {
  @PrimaryColumn({ type: 'bytea', name: 'token_hash', primaryKeyConstraintName: 'mailed_tokens_pkey' })
  readonly tokenHash!: Buffer;

  @Column({ type: 'text', name: 'purpose' })
  readonly purpose!: TokenPurpose;

  @Column({ type: 'uuid', name: 'user_id' })
  readonly userId!: string;

  /** The address it was mailed to, which it proves. */
  @Column({ type: 'text', name: 'email' })
  readonly email!: string;

  @Column({ type: 'uuid', name: 'session_id', nullable: true })
  readonly sessionId!: string | null;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  readonly expiresAt!: Date;
}
