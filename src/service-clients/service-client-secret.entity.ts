import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { ServiceClientRow } from './service-client.entity.js';

/** A secret of a service client, which may have several, so that one can be replaced while it is in use. */
@Entity({ name: 'service_client_secrets' })
@Index('service_client_secrets_secret_hash_idx', ['secretHash'], { unique: true })
@Index('service_client_secrets_client_id_idx', ['clientId'])
@Index('service_client_secrets_ended_at_idx', ['endedAt'])
export class ServiceClientSecretRow {
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'service_client_secrets_pkey' })
  readonly id!: string;

  @ManyToOne(() => ServiceClientRow, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'client_id', foreignKeyConstraintName: 'service_client_secrets_client_id_fkey' })
  readonly client?: Relation<ServiceClientRow>;

  @Column({ type: 'uuid', name: 'client_id' })
  readonly clientId!: string;

  /** SHA-256. The secret itself is stored nowhere. */
  @Column({ type: 'bytea', name: 'secret_hash' })
  readonly secretHash!: Buffer;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  readonly createdAt!: Date;

  /** To the minute; null where it was never used. */
  @Column({ type: 'timestamptz', name: 'last_used_at', precision: 3, nullable: true })
  readonly lastUsedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'ended_at', precision: 3, nullable: true })
  readonly endedAt!: Date | null;
}
