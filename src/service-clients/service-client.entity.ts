import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

export const SERVICE_CLIENT_SCOPES = ['introspect', 'revoke', 'verify', 'signals'] as const;

/** What a service client may do. */
export type ServiceClientScope = (typeof SERVICE_CLIENT_SCOPES)[number];

/** Another service that may call. Its id is the `client_id` of OAuth. Once ended it is never valid again. */
@Entity({ name: 'service_clients' })
@Index('service_clients_name_idx', ['name'], { unique: true, where: 'ended_at IS NULL' })
@Index('service_clients_ended_at_idx', ['endedAt'])
export class ServiceClientRow {
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'service_clients_pkey' })
  readonly id!: string;

  @Column({ type: 'text', name: 'name' })
  readonly name!: string;

  @Column({ type: 'text', name: 'scopes', array: true })
  readonly scopes!: ServiceClientScope[];

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3, default: () => 'now()' })
  readonly createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'ended_at', precision: 3, nullable: true })
  readonly endedAt!: Date | null;
}
