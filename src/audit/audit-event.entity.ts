import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

export const AUDIT_EVENT_TYPES = [
  'service_started',
  'service_stopped',
  'database_promoted',
  'database_went_back',
  'database_restored',
  'login_succeeded',
  'login_failed',
  'login_throttled',
  'registration_throttled',
  'refresh_throttled',
  'rename_throttled',
  'session_created',
  'session_refreshed',
  'session_renamed',
  'session_revoked',
  'session_expired',
  'refresh_token_reused',
  'ended_session_used',
  'password_changed',
  'password_change_failed',
  'password_reset',
  'password_withdrawn',
  'password_reset_requested',
  'password_reset_throttled',
  'mailed_token_throttled',
  'user_created',
  'email_verified',
  'email_change_requested',
  'email_changed',
  'email_change_failed',
  'email_change_throttled',
  'email_change_undone',
  'session_disowned',
  'mail_given_up',
  'account_deleted',
  'account_exported',
  'role_granted',
  'role_revoked',
  'user_disabled',
  'user_enabled',
  'sessions_revoked_by_staff',
  'incident_opened',
  'incident_finished',
  'password_reset_by_staff',
  'access_refused',
  'signing_key_rotated',
  'signing_key_revoked',
  'receiver_created',
  'receiver_changed',
  'receiver_disabled',
  'receiver_deleted',
  'delivery_given_up',
  'service_client_created',
  'service_client_ended',
  'service_client_secret_created',
  'service_client_secret_ended',
  'service_client_refused',
  'service_client_throttled',
  'sessions_revoked_by_service',
  'revocation_throttled',
] as const;
export type AuditEventType = (typeof AUDIT_EVENT_TYPES)[number];

export const AUDIT_OUTCOMES = ['success', 'failure'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/**
 * One line of the durable trail. It points at users and sessions by id alone, without foreign keys, so that it
 * outlives them. A trigger refuses to change or remove a line, for superusers too.
 */
@Entity({ name: 'audit_events' })
@Index('audit_events_user_id_at_idx', ['userId', 'at'])
@Index('audit_events_session_id_idx', ['sessionId'])
@Index('audit_events_rare_type_idx', { synchronize: false })
export class AuditEvent {
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'audit_events_pkey' })
  readonly id!: string;

  // Part of the key, since it decides which part of the table has the line: one for each month.
  @PrimaryColumn({
    type: 'timestamptz',
    name: 'at',
    precision: 3,
    default: () => 'now()',
    primaryKeyConstraintName: 'audit_events_pkey',
  })
  readonly at!: Date;

  @Column({ type: 'text', name: 'type' })
  readonly type!: AuditEventType;

  @Column({ type: 'text', name: 'outcome' })
  readonly outcome!: AuditOutcome;

  /** Whose account it is about; null where none is known. */
  @Column({ type: 'uuid', name: 'user_id', nullable: true })
  readonly userId!: string | null;

  @Column({ type: 'uuid', name: 'session_id', nullable: true })
  readonly sessionId!: string | null;

  /** Who did it: the id of a user or a service client, or null for the service itself and for people who are not signed in. */
  @Column({ type: 'uuid', name: 'actor_id', nullable: true })
  readonly actorId!: string | null;

  @Column({ type: 'text', name: 'reason', nullable: true })
  readonly reason!: string | null;

  /** What a person gave as the reason, in their words. Of a signing key, its id; of a service client, its id and name; of an incident, its id first. */
  @Column({ type: 'text', name: 'note', nullable: true })
  readonly note!: string | null;

  @Column({ type: 'text', name: 'ip', nullable: true })
  readonly ip!: string | null;

  @Column({ type: 'text', name: 'user_agent', nullable: true })
  readonly userAgent!: string | null;

  @Column({ type: 'text', name: 'request_id', nullable: true })
  readonly requestId!: string | null;
}
