import { Injectable, Logger } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AppConfig } from '../config/config.js';
import { Database } from '../database/database.js';
import { BATCH_ROWS, Retention } from '../database/retention.js';

const MADE_AHEAD_MONTHS = 3;

/**
 * The parts of the trail, one for each month. Functions of the database make and drop them, with the rights of the owner:
 * they check what they are asked to do, and wait for the table for a fifth of a second at most.
 */
@Injectable()
export class AuditParts {
  private readonly logger = new Logger(AuditParts.name);

  constructor(
    private readonly database: Database,
    private readonly config: AppConfig,
    retention: Retention,
  ) {
    // First: where all parts are over, there is one to write to before they go.
    retention.addTask({
      table: 'audit_events_default',
      otherwise: 'Lines of the audit trail will be outside the parts by month',
      rights: 'EXECUTE audit_events_make_parts and audit_events_rows_outside_parts',
      portions: () => this.makeAhead(),
    });
    retention.addTask({
      table: 'audit_events',
      otherwise: 'What is over in audit_events stays',
      rights: 'EXECUTE audit_events_drop_part and audit_events_delete_rows',
      portions: () => this.deleteDue(),
    });
  }

  /** How many lines are in the default part, 10000 at most: none, while parts are made in time. */
  async countOutside(): Promise<number> {
    const { rows } = await this.database.query<{ count: number }>(
      sql`SELECT audit_events_rows_outside_parts() AS count`,
    );
    return rows[0]?.count ?? 0;
  }

  private async *makeAhead(): AsyncGenerator<number> {
    try {
      await this.database.query(sql`SELECT audit_events_make_parts(${MADE_AHEAD_MONTHS}::integer)`);
    } finally {
      await this.warnOfOutside();
    }
    yield 0;
  }

  private async warnOfOutside(): Promise<void> {
    const count = await this.countOutside();
    if (count > 0) {
      this.logger.warn(
        `The audit trail has lines in audit_events_default, outside the parts by month (${count}; at most 10000 are counted). ` +
          'None is lost; src/audit/README.md says what to do.',
      );
    }
  }

  private async *deleteDue(): AsyncGenerator<number> {
    let lines: number | null;
    while ((lines = await this.dropPart()) !== null) {
      yield lines;
    }
    let last: { deleted: number; lastAt: string | null } = { deleted: 0, lastAt: null };
    do {
      last = await this.deleteRows(last.lastAt);
      yield last.deleted;
    } while (last.deleted === BATCH_ROWS);
  }

  /** How many lines the oldest part had that is over; null where none is. */
  private async dropPart(): Promise<number | null> {
    const { rows } = await this.database.query<{ lines: number | null }>(
      sql`SELECT audit_events_drop_part(${this.config.auditRetentionDays}::integer)::double precision AS lines`,
    );
    return rows[0]?.lines ?? null;
  }

  /** Lines that are in no part of a month: those from before there were any, and those outside. */
  private async deleteRows(since: string | null) {
    const { rows } = await this.database.query<{ deleted: number; lastAt: string | null }>(sql`
      SELECT deleted, last_at::text AS "lastAt" FROM audit_events_delete_rows(
        ${this.config.auditRetentionDays}::integer, ${since}::timestamptz, ${BATCH_ROWS}::integer)`);
    return rows[0] ?? { deleted: 0, lastAt: null };
  }
}
