import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * With a user their sessions go, and then nothing says that one had expired. So what is not noticed by then is noted by the line of
 * the deletion, just before it: in that transaction the sessions, and the address, are still there.
 */
export class NoteExpiriesOfDeletedUsers1795690000000 implements MigrationInterface {
  readonly name = 'NoteExpiriesOfDeletedUsers1795690000000';

  async up(runner: QueryRunner): Promise<void> {
    const [row]: { path: string }[] = await runner.query(`SELECT quote_ident(current_schema()) AS path`);
    // Of what was noticed there is no row any more, so nothing is noted twice.
    await runner.query(`
      CREATE FUNCTION note_expiries_of_deleted_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
      SET search_path = ${row!.path}, pg_temp AS $$
      BEGIN
        WITH noted AS (
          DELETE FROM session_expiries e USING sessions s
          WHERE s.user_id = NEW.user_id AND e.session_id = s.id AND s.revoked_at IS NULL
            AND least(s.idle_expires_at, s.expires_at) <= now()
          RETURNING s.user_id, s.id, least(s.idle_expires_at, s.expires_at) AS ended_at
        )
        INSERT INTO audit_events (at, type, outcome, user_id, session_id)
        SELECT ended_at, 'session_expired', 'success', user_id, id FROM noted;
        RETURN NEW;
      END $$`);
    await runner.query(`REVOKE ALL ON FUNCTION note_expiries_of_deleted_user FROM PUBLIC`);
    await runner.query(`
      CREATE TRIGGER audit_events_note_expiries BEFORE INSERT ON audit_events
      FOR EACH ROW WHEN (NEW.type = 'account_deleted') EXECUTE FUNCTION note_expiries_of_deleted_user()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER audit_events_note_expiries ON audit_events`);
    await runner.query(`DROP FUNCTION note_expiries_of_deleted_user`);
  }
}
