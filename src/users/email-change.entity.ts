import {
  Column,
  CreateDateColumn,
  Entity,
  Index,
  JoinColumn,
  ManyToOne,
  PrimaryGeneratedColumn,
  type Relation,
} from 'typeorm';
import { User } from './user.entity.js';

/** How many days a former address can take an account back, and belongs to no other account. */
export const UNDO_DAYS = 7;

/** An address that an account had until it was changed. Kept while its owner can undo that. */
@Entity({ name: 'email_changes' })
@Index('email_changes_user_id_former_key', ['userId', 'former'], { unique: true })
@Index('email_changes_former_idx', ['former'])
@Index('email_changes_changed_at_idx', ['changedAt'])
export class EmailChange {
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'email_changes_pkey' })
  readonly id!: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE', nullable: false })
  @JoinColumn({ name: 'user_id', foreignKeyConstraintName: 'email_changes_user_id_fkey' })
  readonly user?: Relation<User>;

  @Column({ type: 'uuid', name: 'user_id' })
  readonly userId!: string;

  @Column({ type: 'text', name: 'former' })
  readonly former!: string;

  /** The session that asked for the change. */
  @Column({ type: 'uuid', name: 'session_id' })
  readonly sessionId!: string;

  @CreateDateColumn({ type: 'timestamptz', name: 'changed_at', precision: 3, default: () => 'now()' })
  readonly changedAt!: Date;
}
