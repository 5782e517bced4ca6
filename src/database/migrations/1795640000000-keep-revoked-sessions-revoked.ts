import type { MigrationInterface, QueryRunner } from 'typeorm';

export class KeepRevokedSessionsRevoked1795640000000 implements MigrationInterface {
  readonly name = 'KeepRevokedSessionsRevoked1795640000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION revoked_sessions_stay_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'session % is revoked, and stays so', OLD.id USING ERRCODE = 'restrict_violation';
      END $$`);
    // AFTER: before the change PostgreSQL would lock each row once more to show it to the trigger, and another trigger could
    // still change it. What does not open a session ends at the condition.
    await runner.query(`
      CREATE TRIGGER sessions_stay_revoked AFTER UPDATE ON sessions FOR EACH ROW
      WHEN (OLD.revoked_at IS NOT NULL AND (NEW.revoked_at IS DISTINCT FROM OLD.revoked_at OR NEW.id <> OLD.id))
      EXECUTE FUNCTION revoked_sessions_stay_revoked()`);
    // ALWAYS: it fires whatever session_replication_role says, for superusers too.
    await runner.query(`ALTER TABLE sessions ENABLE ALWAYS TRIGGER sessions_stay_revoked`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER sessions_stay_revoked ON sessions`);
    await runner.query(`DROP FUNCTION revoked_sessions_stay_revoked`);
  }
}
