import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { MailModule } from '../mail/mail.module.js';
import { UsersModule } from '../users/users.module.js';
import { DatabaseMetrics } from './database-metrics.js';
import { PasswordMetrics } from './password-metrics.js';
import { ProcessMetrics } from './process-metrics.js';
import { RequestMetrics } from './request-metrics.js';
import { RetentionMetrics } from './retention-metrics.js';
import { SessionMetrics } from './session-metrics.js';

/** What an operator sees: counted in the register of prom-client, which the process shows on a port of its own. */
@Module({
  imports: [AuditModule, MailModule, UsersModule],
  providers: [DatabaseMetrics, PasswordMetrics, ProcessMetrics, RequestMetrics, RetentionMetrics, SessionMetrics],
})
export class MetricsModule {}
