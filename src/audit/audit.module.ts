import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppConfig } from '../config/config.js';
import { Sweeper } from '../database/sweeper.js';
import { AuditEvent } from './audit-event.entity.js';
import { AuditTrail } from './audit-trail.js';

/** The durable trail. */
@Module({
  imports: [TypeOrmModule.forFeature([AuditEvent])],
  providers: [AuditTrail],
  exports: [AuditTrail],
})
export class AuditModule {
  constructor(sweeper: Sweeper, { auditRetentionDays }: AppConfig) {
    sweeper.add({
      table: 'audit_events',
      column: 'at',
      before: 'now() - make_interval(days => $1)',
      parameters: [auditRetentionDays],
      // The trigger lets nothing go to anybody who does not say so, and nothing that is younger.
      setting: { name: 'latchkey.audit_retention_days', value: String(auditRetentionDays) },
      isAppendOnly: true,
    });
  }
}
