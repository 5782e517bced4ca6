import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { Database } from '../../database/database.js';
import type { PageRequest } from '../../http/pagination.js';
import { DeliveryNotFoundError, ReceiverDisabledError } from '../receivers/receivers.errors.js';
import { Receivers } from '../receivers/receivers.service.js';
import { DeliveriesRepository } from './deliveries.repository.js';
import type { DeliveryState } from './delivery.entity.js';
import { DeliverySender } from './delivery-sender.js';
import type { DeliveryView } from './delivery-view.js';

/** What receivers were sent, and what became of it. */
@Injectable()
export class Deliveries {
  constructor(
    private readonly database: Database,
    private readonly receivers: Receivers,
    private readonly deliveries: DeliveriesRepository,
    private readonly sender: DeliverySender,
  ) {}

  /** The newest first. Throws `receiver_not_found`. */
  async list(
    receiverId: string,
    page: PageRequest,
    state?: DeliveryState,
  ): Promise<{ deliveries: DeliveryView[]; hasMore: boolean }> {
    await this.receivers.require(receiverId);
    const found = await this.deliveries.list(receiverId, page, state);
    return { deliveries: found.slice(0, page.limit), hasMore: found.length > page.limit };
  }

  /** Throws `receiver_not_found`, and {@link DeliveryNotFoundError}. */
  async require(receiverId: string, id: string): Promise<DeliveryView> {
    await this.receivers.require(receiverId);
    return existing(isUUID(id) ? await this.deliveries.find(receiverId, id) : null);
  }

  /** Sends a test. Throws `receiver_not_found`, and {@link ReceiverDisabledError}. */
  async test(receiverId: string): Promise<DeliveryView> {
    await this.requireEnabled(receiverId);
    return this.sent(await this.deliveries.addTest(this.database, receiverId));
  }

  /** Sends something once more, with its id. Throws as {@link test}, and {@link DeliveryNotFoundError}. */
  async redeliver(receiverId: string, id: string): Promise<DeliveryView> {
    await this.requireEnabled(receiverId);
    return this.sent(isUUID(id) ? await this.deliveries.redeliver(this.database, receiverId, id) : null);
  }

  private async requireEnabled(receiverId: string): Promise<void> {
    if ((await this.receivers.require(receiverId)).disabledAt) {
      throw new ReceiverDisabledError();
    }
  }

  private sent(delivery: DeliveryView | null): DeliveryView {
    const found = existing(delivery);
    this.sender.wake();
    return found;
  }
}

function existing(delivery: DeliveryView | null): DeliveryView {
  if (!delivery) {
    throw new DeliveryNotFoundError();
  }
  return delivery;
}
