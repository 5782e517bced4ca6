import type { MigrationInterface, QueryRunner } from 'typeorm';

export class NotifySessionNews1795400000000 implements MigrationInterface {
  readonly name = 'NotifySessionNews1795400000000';

  async up(runner: QueryRunner): Promise<void> {
    // What the trail says of sessions is notified as it commits, whatever wrote it. Once per statement, and many at a time:
    // a notification takes 8000 bytes at most, and each has its price.
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
    // The users whose refreshes are streamed, and until when. Not logged: it is written again every few minutes.
    await runner.query(`
      CREATE UNLOGGED TABLE stream_watches (
        user_id uuid NOT NULL CONSTRAINT stream_watches_pkey PRIMARY KEY
          CONSTRAINT stream_watches_user_id_fkey REFERENCES users ON DELETE CASCADE,
        until   timestamptz(3) NOT NULL
      )`);
    await runner.query(`CREATE INDEX stream_watches_until_idx ON stream_watches (until)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE stream_watches`);
    await runner.query(`DROP TRIGGER audit_events_tell_sessions ON audit_events`);
    await runner.query(`DROP FUNCTION audit_events_tell_sessions()`);
  }
}
