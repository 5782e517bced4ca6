import type { MigrationInterface, QueryRunner } from 'typeorm';

export class LetOldAuditEventsGo1795200000000 implements MigrationInterface {
  readonly name = 'LetOldAuditEventsGo1795200000000';

  async up(runner: QueryRunner): Promise<void> {
    // Retention deletes what is old, in a transaction that says how old that is; never less than 30 days.
    await runner.query(`
      CREATE OR REPLACE FUNCTION audit_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        retention_days integer := nullif(current_setting('latchkey.audit_retention_days', true), '')::integer;
      BEGIN
        IF TG_OP = 'DELETE' AND OLD.at < now() - make_interval(days => greatest(retention_days, 30)) THEN
          IF retention_days IS NOT NULL THEN
            RETURN OLD;
          END IF;
        END IF;
        RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'restrict_violation';
      END $$`);
    // In the order they were written, so a small index is enough to find the old ones.
    await runner.query(`CREATE INDEX audit_events_at_idx ON audit_events USING brin (at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX audit_events_at_idx`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION audit_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'restrict_violation';
      END $$`);
  }
}
