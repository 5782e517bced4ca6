import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateEmailChanges1795500000000 implements MigrationInterface {
  readonly name = 'CreateEmailChanges1795500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE email_changes (
        id         uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT email_changes_pkey PRIMARY KEY,
        user_id    uuid NOT NULL CONSTRAINT email_changes_user_id_fkey REFERENCES users ON DELETE CASCADE,
        former     text NOT NULL,
        session_id uuid NOT NULL,
        changed_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query(`CREATE UNIQUE INDEX email_changes_user_id_former_key ON email_changes (user_id, former)`);
    await runner.query(`CREATE INDEX email_changes_former_idx ON email_changes (former)`);
    await runner.query(`CREATE INDEX email_changes_changed_at_idx ON email_changes (changed_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE email_changes`);
  }
}
