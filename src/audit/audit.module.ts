import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AppConfig } from '../config/config.js';
import { ourEntities } from '../database/data-source.js';
import { Retention } from '../database/retention.js';
import { AuditEvent } from './audit-event.entity.js';
import { AuditTrail } from './audit-trail.js';

/** The durable trail. */
@Module({
  imports: [ourEntities(AuditEvent)],
  providers: [AuditTrail],
  exports: [AuditTrail],
})
export class AuditModule {
  constructor(retention: Retention, { auditRetentionDays }: AppConfig) {
    retention.add({
      table: 'audit_events',
      column: 'at',
      before: sql`now() - make_interval(days => ${auditRetentionDays})`,
      // The trigger lets nothing be deleted without it, and nothing that is younger.
      setting: { name: 'latchkey.audit_retention_days', value: String(auditRetentionDays) },
      isAppendOnly: true,
    });
  }
}
