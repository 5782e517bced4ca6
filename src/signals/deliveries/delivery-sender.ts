import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import { Notifications } from '../../database/notifications.js';
import { OutboxSender, type OutboxTable } from '../../database/outbox/outbox-sender.js';
import { SESSION_CHANNEL } from '../../sessions/session-event.js';
import { rulesOf } from '../receivers/receivers.service.js';
import { type Attempt, type ClaimedDelivery, DeliveriesRepository } from './deliveries.repository.js';
import { DeliveryMessages } from './delivery-messages.js';
import { firstLineOf, GivenUpAtStopError, ReceiverPost } from './receiver-post.js';
import { countAttempt, noteBacklog } from './signals.measurements.js';

const MOST_UNDER_WAY = 512;
// What one receiver gets at the same time, and a part of what is free besides: so something stays free for the others, however
// many of them are slow.
const MOST_OF_RECEIVER = 64;
const SHARE_OF_RECEIVER = 1 / 8;
// Longer than an attempt may take, so that none is made twice at the same time.
const CLAIM_SECONDS = 30;
// Stopped, an instance waits no longer for answers: less than an attempt may take, and than a stop may.
const ANSWERS_AT_STOP_MS = 5000;
const GIVE_UP_EVERY_MS = 60_000;
const BACKLOG_EVERY_MS = 10_000;
const GIVEN_UP_AT_ONCE = 1000;

/** A receiver answered, and did not take what it was sent. */
class NotTakenError extends Error {
  constructor(readonly attempt: Attempt) {
    super(`it answered ${attempt.status}`);
  }
}

/**
 * Sends deliveries to receivers, from any number of instances: each at least once, in order for one session, and to one receiver
 * whatever becomes of the others.
 */
@Injectable()
export class DeliverySender
  implements OutboxTable<ClaimedDelivery>, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly name = 'deliveries';
  readonly most = MOST_UNDER_WAY;
  private readonly logger = new Logger(DeliverySender.name);
  private readonly sender = new OutboxSender<ClaimedDelivery>(this);
  private readonly answers = new WeakMap<ClaimedDelivery, Attempt>();
  private readonly post: ReceiverPost;
  private readonly timers: NodeJS.Timeout[] = [];
  private stopped: Promise<void> | null = null;

  constructor(
    private readonly deliveries: DeliveriesRepository,
    private readonly messages: DeliveryMessages,
    notifications: Notifications,
    config: AppConfig,
  ) {
    this.post = new ReceiverPost(rulesOf(config));
    notifications.listen({
      channel: SESSION_CHANNEL,
      received: () => this.sender.wake(),
      listening: () => this.sender.wake(),
      lost: () => undefined,
    });
  }

  onApplicationBootstrap(): void {
    this.sender.start();
    this.timers.push(
      setInterval(() => void this.giveUpOverdue(), GIVE_UP_EVERY_MS).unref(),
      setInterval(() => void this.findBacklog(), BACKLOG_EVERY_MS).unref(),
    );
  }

  // While requests are still being answered, so that the one wait is not added to the other.
  beforeApplicationShutdown(): void {
    for (const timer of this.timers) clearInterval(timer);
    const patience = setTimeout(() => this.post.giveUp(), ANSWERS_AT_STOP_MS);
    this.stopped = this.sender.stop().finally(() => clearTimeout(patience));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.stopped;
    this.post.close();
  }

  /** There may be something to send. */
  wake(): void {
    this.sender.wake();
  }

  isUsable(): boolean {
    return true;
  }

  claim(free: number, underWay: readonly ClaimedDelivery[]): Promise<readonly ClaimedDelivery[]> {
    const share = Math.max(1, Math.min(MOST_OF_RECEIVER, Math.floor(free * SHARE_OF_RECEIVER)));
    // Never all that is free at once either: there may be so many receivers that each has little.
    return this.deliveries.claim({ free: Math.ceil(free / 2), share, underWay, seconds: CLAIM_SECONDS });
  }

  async send(delivery: ClaimedDelivery): Promise<void> {
    const { status, text } = await this.post.send(delivery.url, await this.messages.write(delivery));
    const attempt = { status, answer: text };
    if (status < 200 || status > 299) {
      throw new NotTakenError(attempt);
    }
    this.answers.set(delivery, attempt);
  }

  async settle(deliveries: readonly ClaimedDelivery[]): Promise<void> {
    await this.deliveries.settle(
      deliveries.map((delivery) => ({
        ...delivery,
        ...(this.answers.get(delivery) ?? { status: null, answer: '' }),
      })),
    );
    for (let i = 0; i < deliveries.length; i++) countAttempt('delivered');
  }

  // The others are worth a try in any case: this receiver is left alone by what is noted here.
  async putOff(delivery: ClaimedDelivery, error: unknown): Promise<boolean> {
    if (error instanceof GivenUpAtStopError) {
      await this.deliveries.release(delivery.id);
      return false;
    }
    const attempt = error instanceof NotTakenError ? error.attempt : { status: null, answer: reasonOf(error) };
    const { id, receiverId } = delivery;
    const done = await this.deliveries.putOff(delivery, attempt);
    countAttempt(done?.state === 'dead' ? 'dead' : 'failed');
    if (done?.disabledReason) {
      this.logger.warn(`Receiver ${receiverId} is disabled (${done.disabledReason}): ${reasonOf(error)}`);
    } else {
      this.logger.warn(`Receiver ${receiverId} did not take delivery ${id}: ${reasonOf(error)}`);
    }
    return true;
  }

  /** For metrics. While the database does not answer, what was there before stays. */
  private async findBacklog(): Promise<void> {
    const backlog = await this.deliveries.findBacklog().catch(() => null);
    if (backlog) {
      noteBacklog(
        new Map(backlog.map(({ receiverId, seconds }) => [receiverId, seconds])),
        backlog.filter(({ isDisabledByItself }) => isDisabledByItself).length,
      );
    }
  }

  private async giveUpOverdue(): Promise<void> {
    try {
      let count: number;
      do {
        count = await this.deliveries.giveUpOverdue(GIVEN_UP_AT_ONCE);
        if (count > 0) {
          this.logger.warn(`${count} deliveries could not be sent within three days, and are given up`);
        }
      } while (count >= GIVEN_UP_AT_ONCE);
    } catch (error) {
      this.logger.warn(`Could not give up deliveries that are overdue, trying again: ${String(error)}`);
    }
  }
}

// A certificate that is not accepted, for example, is described in its own words.
const reasonOf = (error: unknown): string => firstLineOf(error instanceof Error ? error.message : String(error));
