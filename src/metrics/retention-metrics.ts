import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AuditParts } from '../audit/audit-parts.js';
import { tableCleaned } from '../database/database.measurements.js';
import { Retention } from '../database/retention.js';
import { counter, gauge, gaugeOfDatabase } from './instruments.js';

/** What retention deletes, and whether it works, by table. */
@Injectable()
export class RetentionMetrics implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly rows = counter('retention_rows_deleted_total', 'Rows that retention deleted.', 'table');
  private readonly failures = counter('retention_failures_total', 'How often retention failed to delete.', 'table');
  private readonly cleanedAt = gauge(
    'retention_last_success_timestamp_seconds',
    'When retention last worked, or the process started.',
    { labelNames: ['table'], aggregator: 'max' },
  );
  readonly onApplicationShutdown = tableCleaned.subscribe(({ table, rows, isFailure }) => {
    this.rows.inc({ table }, rows);
    if (isFailure) this.failures.inc({ table });
    else this.cleanedAt.set({ table }, Date.now() / 1000);
  });

  constructor(
    private readonly retention: Retention,
    auditParts: AuditParts,
  ) {
    gaugeOfDatabase(
      'audit_rows_outside_parts',
      'Lines of the audit trail that are in no part of a month, 10000 at most.',
      () => auditParts.countOutside(),
    );
  }

  /** By now each module has added its rules. */
  onApplicationBootstrap(): void {
    for (const table of this.retention.tables) {
      this.rows.inc({ table }, 0);
      this.failures.inc({ table }, 0);
      this.cleanedAt.set({ table }, Date.now() / 1000);
    }
  }
}
