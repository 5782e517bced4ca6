import { Module } from '@nestjs/common';
import { MailModule } from '../mail/mail.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { SessionEventsModule } from '../session-events/session-events.module.js';
import { UsersModule } from '../users/users.module.js';
import { Metrics } from './metrics.js';
import { MetricsServer } from './metrics-server.js';

/** What an operator sees. Listens to the other rooms; nobody imports it. */
@Module({
  imports: [MailModule, SessionsModule, SessionEventsModule, UsersModule],
  providers: [Metrics, MetricsServer],
})
export class MetricsModule {}
