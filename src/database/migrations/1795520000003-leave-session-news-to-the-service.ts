import type { MigrationInterface, QueryRunner } from 'typeorm';

export class LeaveSessionNewsToTheService1795520000003 implements MigrationInterface {
  readonly name = 'LeaveSessionNewsToTheService1795520000003';

  async up(runner: QueryRunner): Promise<void> {
    // A transaction that notifies fails when the queue of notifications is full, and sessions could neither begin nor end.
    // Now the service notifies after the commit, and reads in the trail what was not notified.
    await runner.query(`DROP TRIGGER audit_events_tell_sessions ON audit_events`);
    await runner.query(`DROP FUNCTION audit_events_tell_sessions()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION audit_events_tell_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('latchkey_sessions', json_agg(json_build_object(
          'eventId', id, 'type', type, 'userId', user_id, 'sessionId', session_id, 'reason', reason,
          'at', floor(extract(epoch FROM at) * 1000)))::text)
        FROM (
          SELECT *, (row_number() OVER () - 1) / 25 AS portion FROM inserted
          WHERE type IN ('session_created', 'session_renamed', 'session_revoked')
        ) news
        GROUP BY portion;
        RETURN NULL;
      END
      $$`);
    await runner.query(`
      CREATE TRIGGER audit_events_tell_sessions AFTER INSERT ON audit_events
      REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION audit_events_tell_sessions()`);
  }
}
