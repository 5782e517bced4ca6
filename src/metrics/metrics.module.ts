import { Module } from '@nestjs/common';
import { UsersModule } from '../users/users.module.js';
import { Metrics } from './metrics.js';
import { MetricsServer } from './metrics-server.js';

/** What an operator sees. Listens to the other rooms; nobody imports it. */
@Module({
  imports: [UsersModule],
  providers: [Metrics, MetricsServer],
})
export class MetricsModule {}
