import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { User } from '../users/user.entity.js';

export const TOKEN_DELIVERIES = ['cookie', 'body'] as const;

/** How a session's refresh token travels; fixed at login. */
export type TokenDelivery = (typeof TOKEN_DELIVERIES)[number];

export const REVOCATION_REASONS = [
  'logout',
  'logout_all',
  'logout_others',
  'revoked_by_user',
  'revoked_by_admin',
  'revoked_by_service',
  'password_changed',
  'password_reset',
  'refresh_token_reuse',
  'session_limit',
  'disowned',
  'user_disabled',
  'account_deleted',
  'backup_restored',
  'incident',
] as const;

/** Why a session was ended on purpose. Expiry is no revocation. */
export type RevocationReason = (typeof REVOCATION_REASONS)[number];

/** One signed-in device. Ends by revocation or expiry, and is never revived. */
@Entity({ name: 'sessions' })
@Index('sessions_active_by_user_idx', ['userId', 'createdAt', 'id'], { where: 'revoked_at IS NULL' })
@Index('sessions_user_id_revoked_at_idx', ['userId', 'revokedAt'])
@Index('sessions_expires_at_idx', ['expiresAt'])
export class Session {
  /** Made by the service, not the database: the first refresh token contains it. */
  @PrimaryColumn({ type: 'uuid', name: 'id', primaryKeyConstraintName: 'sessions_pkey' })
  readonly id!: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'sessions_user_id_fkey' })
  readonly user?: Relation<User>;

  @Column({ type: 'uuid', name: 'user_id' })
  readonly userId!: string;

  /** SHA-256 of the current refresh token. The token itself is stored nowhere. */
  @Column({ type: 'bytea', name: 'refresh_token_hash' })
  readonly refreshTokenHash!: Buffer;

  @Column({ type: 'text', name: 'delivery' })
  readonly delivery!: TokenDelivery;

  /** 1 at login; each rotation adds one. */
  @Column({ type: 'integer', name: 'generation', default: 1 })
  readonly generation!: number;

  /** The newest generation whose access token has been seen in use; 0 for none. */
  @Column({ type: 'integer', name: 'used_generation', default: 0 })
  readonly usedGeneration!: number;

  @Column({ type: 'timestamptz', name: 'rotated_at', precision: 3, nullable: true })
  readonly rotatedAt!: Date | null;

  /** When the minute began in which rotations are counted; null before the first. */
  @Column({ type: 'timestamptz', name: 'rotation_window_at', precision: 3, nullable: true })
  readonly rotationWindowAt?: Date | null;

  @Column({ type: 'integer', name: 'rotation_count', default: 0 })
  readonly rotationCount?: number;

  @Column({ type: 'text', name: 'device_name', nullable: true })
  readonly deviceName!: string | null;

  @Column({ type: 'text', name: 'user_agent' })
  readonly userAgent!: string;

  @Column({ type: 'text', name: 'ip' })
  readonly ip!: string;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  readonly createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'authenticated_at', precision: 3, default: () => 'now()' })
  readonly authenticatedAt!: Date;

  @Column({ type: 'timestamptz', name: 'last_seen_at', precision: 3, default: () => 'now()' })
  readonly lastSeenAt!: Date;

  @Column({ type: 'timestamptz', name: 'idle_expires_at', precision: 3 })
  readonly idleExpiresAt!: Date;

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3 })
  readonly expiresAt!: Date;

  @Column({ type: 'timestamptz', name: 'revoked_at', precision: 3, nullable: true })
  readonly revokedAt!: Date | null;

  @Column({ type: 'text', name: 'revoked_reason', nullable: true })
  readonly revokedReason!: RevocationReason | null;

  /** The user or the service client that ended it; null where Latchkey itself did. */
  @Column({ type: 'uuid', name: 'revoked_by', nullable: true })
  readonly revokedBy!: string | null;
}

/** What a protected request may know of its session. */
export type OpenSession = Omit<
  Session,
  | 'user'
  | 'refreshTokenHash'
  | 'rotatedAt'
  | 'rotationWindowAt'
  | 'rotationCount'
  | 'revokedAt'
  | 'revokedReason'
  | 'revokedBy'
>;
