import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddLanguages1795560000000 implements MigrationInterface {
  readonly name = 'AddLanguages1795560000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE users ADD COLUMN language text`);
    // Mails outlive their user, so they have what is to be known of one.
    await runner.query(`
      ALTER TABLE mails ADD COLUMN language text,
                        ADD COLUMN is_confirmed boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE mails DROP COLUMN is_confirmed, DROP COLUMN language`);
    await runner.query(`ALTER TABLE users DROP COLUMN language`);
  }
}
