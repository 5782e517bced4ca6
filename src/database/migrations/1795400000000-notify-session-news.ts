import type { MigrationInterface, QueryRunner } from 'typeorm';

export class NotifySessionNews1795400000000 implements MigrationInterface {
  readonly name = 'NotifySessionNews1795400000000';

  async up(runner: QueryRunner): Promise<void> {
    // What the trail says of sessions is told as it commits, whoever wrote it. Once per statement, whatever its size.
    await runner.query(`
      CREATE FUNCTION audit_events_tell_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('latchkey_sessions', json_build_object(
          'eventId', id, 'type', type, 'userId', user_id, 'sessionId', session_id, 'reason', reason,
          'at', floor(extract(epoch FROM at) * 1000))::text)
        FROM inserted WHERE type IN ('session_created', 'session_renamed', 'session_revoked');
        RETURN NULL;
      END
      $$`);
    await runner.query(`
      CREATE TRIGGER audit_events_tell_sessions AFTER INSERT ON audit_events
      REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION audit_events_tell_sessions()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER audit_events_tell_sessions ON audit_events`);
    await runner.query(`DROP FUNCTION audit_events_tell_sessions()`);
  }
}
