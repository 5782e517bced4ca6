import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { User } from '../users/user.entity.js';

/** A kind of device that has signed in to an account: browser and system, from one network. */
@Entity({ name: 'known_devices' })
@Index('known_devices_last_seen_at_idx', ['lastSeenAt'])
export class KnownDevice {
  @ManyToOne(() => User, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'known_devices_user_id_fkey' })
  readonly user?: Relation<User>;

  @PrimaryColumn({ type: 'uuid', name: 'user_id', primaryKeyConstraintName: 'known_devices_pkey' })
  readonly userId!: string;

  @PrimaryColumn({ type: 'bytea', name: 'fingerprint', primaryKeyConstraintName: 'known_devices_pkey' })
  readonly fingerprint!: Buffer;

  @Column({ type: 'timestamptz', name: 'last_seen_at', precision: 3, default: () => 'now()' })
  readonly lastSeenAt!: Date;
}
