import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { Database } from '../../database/database.js';
import type { Transaction } from '../../database/transaction.js';
import type { PageRequest } from '../../http/pagination.js';
import { DeliveryNotFoundError, ReceiverDisabledError } from '../receivers/receivers.errors.js';
import type { ReceiverChange } from '../receivers/receivers.repository.js';
import { Receivers } from '../receivers/receivers.service.js';
import { DeliveriesRepository } from './deliveries.repository.js';
import type { DeliveryState } from './delivery.entity.js';
import { DeliverySender } from './delivery-sender.js';
import type { DeliveryView } from './delivery-view.js';

/** What receivers were sent, and what became of it. What staff send is in the audit trail. */
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
  test(receiverId: string, change: ReceiverChange): Promise<DeliveryView> {
    return this.sendNow(receiverId, 'test', change, (within) => this.deliveries.addTest(within, receiverId));
  }

  /** Sends something once more, with its id. Throws as {@link test}, and {@link DeliveryNotFoundError}. */
  redeliver(receiverId: string, id: string, change: ReceiverChange): Promise<DeliveryView> {
    return this.sendNow(receiverId, `redeliver ${id}`, change, async (within) =>
      isUUID(id) ? this.deliveries.redeliver(within, receiverId, id) : null,
    );
  }

  private async sendNow(
    receiverId: string,
    what: string,
    change: ReceiverChange,
    send: (transaction: Transaction) => Promise<DeliveryView | null>,
  ): Promise<DeliveryView> {
    if ((await this.receivers.require(receiverId)).disabledAt) {
      throw new ReceiverDisabledError();
    }
    const delivery = await this.database.transaction(async (transaction) => {
      const found = existing(await send(transaction));
      await this.receivers.recordChange(transaction, `${receiverId} ${what}`, change);
      return found;
    });
    this.sender.wake();
    return delivery;
  }
}

function existing(delivery: DeliveryView | null): DeliveryView {
  if (!delivery) {
    throw new DeliveryNotFoundError();
  }
  return delivery;
}
