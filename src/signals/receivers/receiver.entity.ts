import { Column, Entity, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { SIGNING_ALGORITHM, type SigningAlgorithm } from '../../keys/signing-key.js';
import { ServiceClientRow } from '../../service-clients/service-client.entity.js';

/** How a receiver is notified. */
export const RECEIVER_KINDS = ['webhook', 'backchannel_logout', 'ssf_push', 'ssf_poll'] as const;
export type ReceiverKind = (typeof RECEIVER_KINDS)[number];

/** What a receiver can be sent. The trigger `audit_events_deliver` says which lines of the audit trail they are. */
export const SIGNAL_EVENTS = [
  'session.created',
  'session.revoked',
  'session.expired',
  'user.created',
  'user.disabled',
  'user.enabled',
  'user.deleted',
  'password.changed',
  'email.changed',
  'refresh_token.reused',
  // Of second factors, which there are none of yet: a receiver that asks for all need not be changed for them.
  'factor.added',
  'factor.removed',
] as const;
export type SignalEvent = (typeof SIGNAL_EVENTS)[number];

/** What a logout token can say: that a session ended, or all of a user. */
export const LOGOUT_EVENTS: readonly SignalEvent[] = ['session.revoked', 'session.expired', 'user.deleted'];

/** What names a person, and is sent only where a receiver asks for it. */
export const INCLUDABLE = ['email'] as const;
export type Includable = (typeof INCLUDABLE)[number];

/**
 * What signs what a receiver is sent, where nothing is said: for streams of security events RS256, which the interoperability profile
 * of CAEP demands of all of them. A webhook is signed with a secret instead.
 */
export const algorithmOf = (kind: ReceiverKind): SigningAlgorithm =>
  kind === 'ssf_push' || kind === 'ssf_poll' ? 'RS256' : SIGNING_ALGORITHM;

/** By staff, by its own answer (410), since it took nothing for three days, or since the service client of the stream ended. */
export const DISABLED_REASONS = ['staff', 'gone', 'failing', 'client_ended'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** Another service that is sent what happens to sessions and accounts. */
@Entity({ name: 'receivers' })
export class Receiver {
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'receivers_pkey' })
  readonly id!: string;

  @Column({ type: 'text', name: 'url' })
  readonly url!: string;

  @Column({ type: 'text', name: 'kind' })
  readonly kind!: ReceiverKind;

  @Column({ type: 'text', name: 'events', array: true })
  readonly events!: SignalEvent[];

  @Column({ type: 'text', name: 'include', array: true, default: [] })
  readonly include!: Includable[];

  /** Whom signed tokens are for; its id where it is not said. */
  @Column({ type: 'text', name: 'audience', nullable: true })
  readonly audience!: string | null;

  /** Of the key that signs what it is sent; of no meaning for a webhook. */
  @Column({ type: 'text', name: 'algorithm', default: SIGNING_ALGORITHM })
  readonly algorithm!: SigningAlgorithm;

  @Column({ type: 'text', name: 'description', nullable: true })
  readonly description!: string | null;

  /** What webhooks are signed with: it must be known, so it is encrypted and not hashed. */
  @Column({ type: 'bytea', name: 'encrypted_secret', nullable: true })
  readonly encryptedSecret!: Buffer | null;

  /** The one before, which signs beside it until a time. */
  @Column({ type: 'bytea', name: 'former_secret', nullable: true })
  readonly formerSecret!: Buffer | null;

  @Column({ type: 'timestamptz', name: 'former_secret_until', precision: 3, nullable: true })
  readonly formerSecretUntil!: Date | null;

  /** The service client whose stream it is; null for a receiver that staff added. */
  @Column({ type: 'uuid', name: 'client_id', nullable: true })
  readonly clientId!: string | null;

  @ManyToOne(() => ServiceClientRow, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'client_id', foreignKeyConstraintName: 'receivers_client_id_fkey' })
  readonly client!: ServiceClientRow | null;

  /** The events that a stream was asked for, as URIs. */
  @Column({ type: 'text', name: 'requested', array: true, default: [] })
  readonly requested!: string[];

  /** The header Authorization of what is pushed. */
  @Column({ type: 'bytea', name: 'encrypted_authorization', nullable: true })
  readonly encryptedAuthorization!: Buffer | null;

  /** Until it is enabled again, what happens waits. */
  @Column({ type: 'timestamptz', name: 'paused_at', precision: 3, nullable: true })
  readonly pausedAt!: Date | null;

  /** When the client of a stream last asked for a verification event. */
  @Column({ type: 'timestamptz', name: 'verification_asked_at', precision: 3, nullable: true })
  readonly verificationAskedAt!: Date | null;

  /** Why its client set its status. */
  @Column({ type: 'text', name: 'status_reason', nullable: true })
  readonly statusReason!: string | null;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  readonly createdAt!: Date;

  /** Attempts that failed since the last one that did not. */
  @Column({ type: 'integer', name: 'failures', default: 0 })
  readonly failures!: number;

  @Column({ type: 'timestamptz', name: 'failing_since', precision: 3, nullable: true })
  readonly failingSince!: Date | null;

  /** Until then nothing is tried, whatever waits. */
  @Column({ type: 'timestamptz', name: 'retry_at', precision: 3, default: () => 'now()' })
  readonly retryAt!: Date;

  @Column({ type: 'timestamptz', name: 'disabled_at', precision: 3, nullable: true })
  readonly disabledAt!: Date | null;

  @Column({ type: 'text', name: 'disabled_reason', nullable: true })
  readonly disabledReason!: DisabledReason | null;
}
