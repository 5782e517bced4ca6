import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddAlgorithmToReceivers1795680500001 implements MigrationInterface {
  readonly name = 'AddAlgorithmToReceivers1795680500001';

  async up(runner: QueryRunner): Promise<void> {
    // Those that are there go on as they were.
    await runner.query(`ALTER TABLE receivers ADD COLUMN algorithm text NOT NULL DEFAULT 'ES256'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE receivers DROP COLUMN algorithm`);
  }
}
