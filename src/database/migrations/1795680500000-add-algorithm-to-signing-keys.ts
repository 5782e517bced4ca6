import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddAlgorithmToSigningKeys1795680500000 implements MigrationInterface {
  readonly name = 'AddAlgorithmToSigningKeys1795680500000';

  async up(runner: QueryRunner): Promise<void> {
    // What the release before makes is of ES256. It cannot open a key of RS256, and so signs nothing with one.
    await runner.query(`ALTER TABLE signing_keys ADD COLUMN algorithm text NOT NULL DEFAULT 'ES256'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DELETE FROM signing_keys WHERE algorithm <> 'ES256'`);
    await runner.query(`ALTER TABLE signing_keys DROP COLUMN algorithm`);
  }
}
