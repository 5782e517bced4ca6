import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexAuditEventsByTime1795520000002 implements MigrationInterface {
  readonly name = 'IndexAuditEventsByTime1795520000002';
  // As in the one before: built while lines are being written.
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS audit_events_at_id_idx`);
    // In order: the oldest for retention, the newest for staff who read the trail, without reading the rest.
    await runner.query(`CREATE INDEX CONCURRENTLY audit_events_at_id_idx ON audit_events (at, id)`);
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS audit_events_at_idx`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX audit_events_at_idx ON audit_events USING brin (at)`);
    await runner.query(`DROP INDEX audit_events_at_id_idx`);
  }
}
