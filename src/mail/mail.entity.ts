import { Column, CreateDateColumn, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

export type MailKind =
  | 'email_verification'
  | 'email_change'
  | 'email_change_requested'
  | 'email_changed'
  | 'email_change_undone'
  | 'account_exists'
  | 'password_reset'
  | 'password_changed'
  | 'new_device'
  | 'refresh_token_reused'
  | 'account_deleted'
  | 'sessions_ended_by_staff'
  | 'receiver_disabled';

/** What a mail may say of a device. */
export interface MailedDevice {
  readonly browser?: string | null;
  readonly os?: string | null;
  /** What a user agent that is no known browser calls itself: a stranger's word. */
  readonly program?: string | null;
}

/** What a mail says besides its kind. The device and the address are those of the request that it is about. */
export interface MailDetails extends MailedDevice {
  /** The device in words, which the release before this one shows. */
  readonly device?: string;
  /** The device that was logged out, as it signed in, where that is not the one of the request. */
  readonly loggedOut?: MailedDevice;
  readonly ip?: string;
  /** The id of a receiver. */
  readonly receiver?: string;
  /** An address that is, or may become, that of the account. */
  readonly email?: string;
}

/** A mail that is yet to be sent, written in the transaction of what it is about; deleted when it is sent. It holds no token. */
@Entity({ name: 'mails' })
@Index('mails_next_attempt_at_idx', ['nextAttemptAt'])
@Index('mails_created_at_idx', ['createdAt'])
@Index('mails_user_id_idx', ['userId'])
export class Mail {
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'mails_pkey' })
  readonly id!: string;

  @Column({ type: 'text', name: 'kind' })
  readonly kind!: MailKind;

  @Column({ type: 'text', name: 'recipient' })
  readonly recipient!: string;

  // No foreign key: the mail about a deleted account outlives it.
  @Column({ type: 'uuid', name: 'user_id' })
  readonly userId!: string;

  @Column({ type: 'uuid', name: 'session_id', nullable: true })
  readonly sessionId!: string | null;

  @Column({ type: 'jsonb', name: 'details', default: {} })
  readonly details!: MailDetails;

  /** That of its user when it was written; null for the default one. */
  @Column({ type: 'text', name: 'language', nullable: true })
  readonly language!: string | null;

  /** Whether its reader has shown that the account is theirs. Until then a stranger may have made it, and wrote what it says. */
  @Column({ type: 'boolean', name: 'is_confirmed', default: false })
  readonly isConfirmed!: boolean;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  readonly createdAt!: Date;

  @Column({ type: 'integer', name: 'attempts', default: 0 })
  readonly attempts!: number;

  @Column({ type: 'timestamptz', name: 'next_attempt_at', precision: 3, default: () => 'now()' })
  readonly nextAttemptAt!: Date;
}
