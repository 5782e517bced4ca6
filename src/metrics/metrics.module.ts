import { Module } from '@nestjs/common';
import { MailModule } from '../mail/mail.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { StreamsModule } from '../session-events/streams.module.js';
import { UsersModule } from '../users/users.module.js';
import { Metrics } from './metrics.js';
import { MetricsServer } from './metrics-server.js';

/** What an operator sees. Listens to the other rooms; nobody imports it. */
@Module({
  imports: [MailModule, SessionsModule, StreamsModule, UsersModule],
  providers: [Metrics, MetricsServer],
})
export class MetricsModule {}
