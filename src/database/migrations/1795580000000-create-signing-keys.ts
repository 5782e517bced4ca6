import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSigningKeys1795580000000 implements MigrationInterface {
  readonly name = 'CreateSigningKeys1795580000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE signing_keys (
        id text NOT NULL,
        encrypted_key bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        signs_from timestamptz NOT NULL,
        accepted_until timestamptz,
        CONSTRAINT signing_keys_pkey PRIMARY KEY (id)
      )`);
    // Retention finds there what is over.
    await runner.query(`CREATE INDEX signing_keys_accepted_until_idx ON signing_keys (accepted_until)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE signing_keys`);
  }
}
