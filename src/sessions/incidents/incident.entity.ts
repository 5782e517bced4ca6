import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import type { Role } from '../../users/user.entity.js';

/**
 * Sessions of many people, ended at once. From the commit of its row on none that matches is trusted; their rows are ended
 * afterwards. See `database/open-incidents.sql.ts`. The row is kept as long as the lines about it in the audit trail: it names
 * users and addresses.
 */
@Entity({ name: 'incidents' })
@Index('incidents_finished_at_at_idx', ['finishedAt', 'at'])
export class Incident {
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'incidents_pkey' })
  readonly id!: string;

  /** Sessions that were opened later are not its own. */
  @Column({ type: 'timestamptz', name: 'at', precision: 3 })
  readonly at!: Date;

  @Column({ type: 'timestamptz', name: 'created_before', precision: 3, nullable: true })
  readonly createdBefore!: Date | null;

  @Column({ type: 'timestamptz', name: 'created_after', precision: 3, nullable: true })
  readonly createdAfter!: Date | null;

  @Column({ type: 'timestamptz', name: 'authenticated_before', precision: 3, nullable: true })
  readonly authenticatedBefore!: Date | null;

  @Column({ type: 'text', name: 'role', nullable: true })
  readonly role!: Role | null;

  @Column({ type: 'cidr', name: 'network', nullable: true })
  readonly network!: string | null;

  @Column({ type: 'uuid', name: 'user_ids', array: true, nullable: true })
  readonly userIds!: string[] | null;

  /** What a person gave as the reason, in their words. */
  @Column({ type: 'text', name: 'reason' })
  readonly reason!: string;

  /** The member of staff; null for the shell. */
  @Column({ type: 'uuid', name: 'opened_by', nullable: true })
  readonly openedBy!: string | null;

  @Column({ type: 'text', name: 'request_id', nullable: true })
  readonly requestId!: string | null;

  /** How many were open when it began; null until they are counted. */
  @Column({ type: 'integer', name: 'matches', nullable: true })
  readonly matches!: number | null;

  /** How many rows it has ended so far. */
  @Column({ type: 'integer', name: 'ended', default: 0 })
  readonly ended!: number;

  /** Transactions that may have opened a session before it, and must be over before the first row is looked for. */
  @Column({ type: 'text', name: 'waits_for', array: true, nullable: true })
  readonly waitsFor!: string[] | null;

  // How far the rows are, in the order of their index.
  @Column({ type: 'uuid', name: 'last_user_id', nullable: true })
  readonly lastUserId!: string | null;

  @Column({ type: 'timestamptz', name: 'last_created_at', precision: 3, nullable: true })
  readonly lastCreatedAt!: Date | null;

  @Column({ type: 'uuid', name: 'last_id', nullable: true })
  readonly lastId!: string | null;

  @Column({ type: 'timestamptz', name: 'finished_at', precision: 3, nullable: true })
  readonly finishedAt!: Date | null;
}
