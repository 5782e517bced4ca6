import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { Receiver, type SignalEvent } from '../receivers/receiver.entity.js';

/** Waiting to be taken, taken, or given up. */
export const DELIVERY_STATES = ['waiting', 'delivered', 'dead'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** What staff send to see whether a receiver takes it. */
export const TEST_EVENT = 'test';

/** That staff disabled or enabled a stream, as its `reason` says. Its receiver is sent it, also the former. */
export const STREAM_UPDATED = 'stream.updated';

/** One event for one receiver. It is written by the statement that makes the event true: neither is there without the other. */
@Entity({ name: 'deliveries' })
@Index('deliveries_waiting_idx', ['receiverId', 'nextAttemptAt'], { where: `state = 'waiting'` })
@Index('deliveries_about_idx', ['receiverId', 'about', 'position'], { where: `state = 'waiting'` })
@Index('deliveries_position_idx', ['receiverId', 'position'], { where: `state = 'waiting'` })
@Index('deliveries_receiver_id_at_id_idx', ['receiverId', 'at', 'id'])
@Index('deliveries_finished_at_idx', ['finishedAt'], { where: 'finished_at IS NOT NULL' })
export class Delivery {
  /** The same at every attempt, so that a receiver knows what it has taken already. */
  @PrimaryGeneratedColumn('uuid', { primaryKeyConstraintName: 'deliveries_pkey' })
  readonly id!: string;

  /** Later ones have a higher number, among those about the same session or user. */
  @Column({ type: 'bigint', name: 'position', generated: 'identity', generatedIdentity: 'ALWAYS' })
  readonly position!: string;

  @Column({ type: 'uuid', name: 'receiver_id' })
  readonly receiverId!: string;

  @ManyToOne(() => Receiver, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'receiver_id', foreignKeyConstraintName: 'deliveries_receiver_id_fkey' })
  readonly receiver!: Receiver;

  @Column({ type: 'text', name: 'event' })
  readonly event!: SignalEvent | typeof TEST_EVENT | typeof STREAM_UPDATED;

  /** The session, or the user where there is none: what has the same is sent in its order. */
  @Column({ type: 'uuid', name: 'about' })
  readonly about!: string;

  @Column({ type: 'uuid', name: 'user_id', nullable: true })
  readonly userId!: string | null;

  @Column({ type: 'uuid', name: 'session_id', nullable: true })
  readonly sessionId!: string | null;

  @Column({ type: 'text', name: 'reason', nullable: true })
  readonly reason!: string | null;

  /** That of the user then, where the receiver asks for it. */
  @Column({ type: 'text', name: 'email', nullable: true })
  readonly email!: string | null;

  /** When it happened. */
  @Column({ type: 'timestamptz', name: 'at', precision: 3 })
  readonly at!: Date;

  @Column({ type: 'text', name: 'state', default: 'waiting' })
  readonly state!: DeliveryState;

  @Column({ type: 'integer', name: 'attempts', default: 0 })
  readonly attempts!: number;

  @Column({ type: 'timestamptz', name: 'next_attempt_at', precision: 3, default: () => 'now()' })
  readonly nextAttemptAt!: Date;

  /** Until then a process has it in hand, and no other takes it. Not indexed, so that claiming writes to no index. */
  @Column({ type: 'timestamptz', name: 'claimed_until', precision: 3, nullable: true })
  readonly claimedUntil!: Date | null;

  @Column({ type: 'timestamptz', name: 'give_up_at', precision: 3, default: () => `(now() + '3 days')` })
  readonly giveUpAt!: Date;

  /** The HTTP status of the last answer; null where there was none. */
  @Column({ type: 'integer', name: 'status', nullable: true })
  readonly status!: number | null;

  /** The first line of the last answer, or why there was none. */
  @Column({ type: 'text', name: 'answer', nullable: true })
  readonly answer!: string | null;

  @Column({ type: 'timestamptz', name: 'finished_at', precision: 3, nullable: true })
  readonly finishedAt!: Date | null;
}
