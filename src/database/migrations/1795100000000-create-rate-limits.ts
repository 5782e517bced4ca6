import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateRateLimits1795100000000 implements MigrationInterface {
  readonly name = 'CreateRateLimits1795100000000';

  async up(runner: QueryRunner): Promise<void> {
    // The shape rate-limiter-flexible expects; expire is in milliseconds since the epoch.
    await runner.query(`
      CREATE TABLE rate_limits (
        key    text NOT NULL CONSTRAINT rate_limits_pkey PRIMARY KEY,
        points integer NOT NULL DEFAULT 0,
        expire bigint
      )`);
    await runner.query(`CREATE INDEX rate_limits_expire_idx ON rate_limits (expire)`);
    await runner.query(`
      ALTER TABLE sessions
        ADD COLUMN rotation_window_at timestamptz(3),
        ADD COLUMN rotation_count integer NOT NULL DEFAULT 0`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE sessions DROP COLUMN rotation_window_at, DROP COLUMN rotation_count`);
    await runner.query(`DROP TABLE rate_limits`);
  }
}
