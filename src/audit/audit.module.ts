import { Module } from '@nestjs/common';
import { ourEntities } from '../database/data-source.js';
import { AuditEvent } from './audit-event.entity.js';
import { AuditParts } from './audit-parts.js';
import { AuditTrail } from './audit-trail.js';

/** The durable trail. */
@Module({
  imports: [ourEntities(AuditEvent)],
  providers: [AuditParts, AuditTrail],
  exports: [AuditParts, AuditTrail],
})
export class AuditModule {}
