import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateUsersSessionsAndAudit1795000000000 implements MigrationInterface {
  readonly name = 'CreateUsersSessionsAndAudit1795000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE users (
        id                uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT users_pkey PRIMARY KEY,
        email             text NOT NULL,
        name              text,
        role              text NOT NULL DEFAULT 'user',
        password_hash     text NOT NULL,
        email_verified_at timestamptz(3),
        disabled_at       timestamptz(3),
        created_at        timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query(`CREATE UNIQUE INDEX users_email_key ON users (email)`);

    await runner.query(`
      CREATE TABLE sessions (
        id                 uuid NOT NULL CONSTRAINT sessions_pkey PRIMARY KEY,
        user_id            uuid NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES users ON DELETE CASCADE,
        refresh_token_hash bytea NOT NULL,
        delivery           text NOT NULL,
        generation         integer NOT NULL DEFAULT 1,
        used_generation    integer NOT NULL DEFAULT 0,
        rotated_at         timestamptz(3),
        device_name        text,
        user_agent         text NOT NULL,
        ip                 text NOT NULL,
        created_at         timestamptz(3) NOT NULL DEFAULT now(),
        authenticated_at   timestamptz(3) NOT NULL DEFAULT now(),
        last_seen_at       timestamptz(3) NOT NULL DEFAULT now(),
        idle_expires_at    timestamptz(3) NOT NULL,
        expires_at         timestamptz(3) NOT NULL,
        revoked_at         timestamptz(3),
        revoked_reason     text,
        revoked_by         uuid
      )`);
    await runner.query(`
      CREATE INDEX sessions_active_by_user_idx ON sessions (user_id, created_at, id) WHERE revoked_at IS NULL`);
    await runner.query(`CREATE INDEX sessions_expires_at_idx ON sessions (expires_at)`);

    await runner.query(`
      CREATE TABLE audit_events (
        id         uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT audit_events_pkey PRIMARY KEY,
        at         timestamptz(3) NOT NULL DEFAULT now(),
        type       text NOT NULL,
        outcome    text NOT NULL,
        user_id    uuid,
        session_id uuid,
        actor_id   uuid,
        reason     text,
        ip         text,
        user_agent text,
        request_id text
      )`);
    await runner.query(`CREATE INDEX audit_events_user_id_at_idx ON audit_events (user_id, at)`);
    await runner.query(`CREATE INDEX audit_events_session_id_idx ON audit_events (session_id)`);
    await runner.query(`
      CREATE FUNCTION audit_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'restrict_violation';
      END $$`);
    await runner.query(`
      CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
      FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only()`);
    await runner.query(`
      CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
      FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only()`);
    // ALWAYS: they fire whatever session_replication_role says, for superusers too.
    await runner.query(`ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_append_only`);
    await runner.query(`ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_no_truncate`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE audit_events`);
    await runner.query(`DROP FUNCTION audit_events_are_append_only`);
    await runner.query(`DROP TABLE sessions`);
    await runner.query(`DROP TABLE users`);
  }
}
