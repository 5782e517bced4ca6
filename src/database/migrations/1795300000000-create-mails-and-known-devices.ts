import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateMailsAndKnownDevices1795300000000 implements MigrationInterface {
  readonly name = 'CreateMailsAndKnownDevices1795300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE mails (
        id              uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT mails_pkey PRIMARY KEY,
        kind            text NOT NULL,
        recipient       text NOT NULL,
        user_id         uuid NOT NULL,
        session_id      uuid,
        details         jsonb NOT NULL DEFAULT '{}',
        created_at      timestamptz(3) NOT NULL DEFAULT now(),
        attempts        integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query(`CREATE INDEX mails_next_attempt_at_idx ON mails (next_attempt_at)`);
    await runner.query(`CREATE INDEX mails_user_id_idx ON mails (user_id)`);

    await runner.query(`
      CREATE TABLE mailed_tokens (
        token_hash bytea NOT NULL CONSTRAINT mailed_tokens_pkey PRIMARY KEY,
        purpose    text NOT NULL,
        user_id    uuid NOT NULL,
        email      text NOT NULL,
        session_id uuid,
        expires_at timestamptz(3) NOT NULL
      )`);
    await runner.query(`CREATE INDEX mailed_tokens_user_id_idx ON mailed_tokens (user_id)`);
    await runner.query(`CREATE INDEX mailed_tokens_expires_at_idx ON mailed_tokens (expires_at)`);

    await runner.query(`
      CREATE TABLE known_devices (
        user_id      uuid NOT NULL CONSTRAINT known_devices_user_id_fkey REFERENCES users ON DELETE CASCADE,
        fingerprint  bytea NOT NULL,
        last_seen_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT known_devices_pkey PRIMARY KEY (user_id, fingerprint)
      )`);
    await runner.query(`CREATE INDEX known_devices_last_seen_at_idx ON known_devices (last_seen_at)`);

    await runner.query(`ALTER TABLE audit_events ADD COLUMN note text`);
    await runner.query(`
      CREATE INDEX sessions_revoked_by_user_idx ON sessions (user_id, revoked_at) WHERE revoked_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX sessions_revoked_by_user_idx`);
    await runner.query(`ALTER TABLE audit_events DROP COLUMN note`);
    await runner.query(`DROP TABLE known_devices`);
    await runner.query(`DROP TABLE mailed_tokens`);
    await runner.query(`DROP TABLE mails`);
  }
}
