import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { ourEntities } from '../database/data-source.js';
import { KeysModule } from '../keys/keys.module.js';
import { Retention } from '../database/retention.js';
import { ServiceClientsModule } from '../service-clients/clients.module.js';
import { DeliveriesRepository } from './deliveries/deliveries.repository.js';
import { Deliveries } from './deliveries/deliveries.service.js';
import { Delivery } from './deliveries/delivery.entity.js';
import { DeliveryMessages } from './deliveries/delivery-messages.js';
import { DeliverySender } from './deliveries/delivery-sender.js';
import { ExpiredSessions } from './expiry/expired-sessions.js';
import { Receiver } from './receivers/receiver.entity.js';
import { ReceiverKeys } from './receivers/receiver-keys.js';
import { ReceiversController } from './receivers/receivers.controller.js';
import { ReceiversRepository } from './receivers/receivers.repository.js';
import { Receivers } from './receivers/receivers.service.js';
import { SecretRenewal } from './receivers/secret-renewal.js';
import { PollWaits } from './shared-signals/poll-waits.js';
import { PollsController } from './shared-signals/polls.controller.js';
import { Polls } from './shared-signals/polls.service.js';
import { SsfConfigurationController } from './shared-signals/ssf-configuration.controller.js';
import { StreamsController } from './shared-signals/streams.controller.js';
import { StreamsRepository } from './shared-signals/streams.repository.js';
import { Streams } from './shared-signals/streams.service.js';

const FINISHED_KEPT_DAYS = 30;

/** Other services are sent what happens to sessions and accounts. */
@Module({
  imports: [KeysModule, ServiceClientsModule, ourEntities(Receiver, Delivery)],
  controllers: [ReceiversController, SsfConfigurationController, StreamsController, PollsController],
  providers: [
    Receivers,
    ReceiversRepository,
    ReceiverKeys,
    SecretRenewal,
    Deliveries,
    DeliveriesRepository,
    DeliveryMessages,
    DeliverySender,
    ExpiredSessions,
    Streams,
    StreamsRepository,
    Polls,
    PollWaits,
  ],
})
export class SignalsModule {
  constructor(retention: Retention) {
    retention.add({
      table: 'deliveries',
      // One that waits has none, and stays.
      column: 'finished_at',
      before: sql`now() - make_interval(days => ${FINISHED_KEPT_DAYS})`,
    });
  }
}
