import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateReceiversAndDeliveries1795680000000 implements MigrationInterface {
  readonly name = 'CreateReceiversAndDeliveries1795680000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE receivers (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        url text NOT NULL,
        kind text NOT NULL,
        algorithm text NOT NULL DEFAULT 'ES256',
        events text[] NOT NULL,
        include text[] NOT NULL DEFAULT '{}',
        audience text,
        description text,
        encrypted_secret bytea,
        former_secret bytea,
        former_secret_until timestamptz(3),
        client_id uuid,
        requested text[] NOT NULL DEFAULT '{}',
        encrypted_authorization bytea,
        paused_at timestamptz(3),
        status_reason text,
        verification_asked_at timestamptz(3),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        failures integer NOT NULL DEFAULT 0,
        failing_since timestamptz(3),
        retry_at timestamptz(3) NOT NULL DEFAULT now(),
        disabled_at timestamptz(3),
        disabled_reason text,
        CONSTRAINT receivers_pkey PRIMARY KEY (id),
        CONSTRAINT receivers_client_id_fkey FOREIGN KEY (client_id) REFERENCES service_clients (id) ON DELETE CASCADE
      )`);
    await runner.query(`
      CREATE TABLE deliveries (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        position bigint GENERATED ALWAYS AS IDENTITY,
        receiver_id uuid NOT NULL,
        event text NOT NULL,
        about uuid NOT NULL,
        user_id uuid,
        session_id uuid,
        reason text,
        email text,
        at timestamptz(3) NOT NULL,
        state text NOT NULL DEFAULT 'waiting',
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
        claimed_until timestamptz(3),
        give_up_at timestamptz(3) NOT NULL DEFAULT now() + interval '3 days',
        status integer,
        answer text,
        finished_at timestamptz(3),
        CONSTRAINT deliveries_pkey PRIMARY KEY (id),
        CONSTRAINT deliveries_receiver_id_fkey FOREIGN KEY (receiver_id) REFERENCES receivers (id) ON DELETE CASCADE
      ) WITH (
        fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02
      )`);
    // What is due first, what waits longest, and the newest for staff. Claiming changes none of these columns, so no index either.
    await runner.query(
      `CREATE INDEX deliveries_waiting_idx ON deliveries (receiver_id, next_attempt_at) WHERE state = 'waiting'`,
    );
    // Which is the first of a session that waits: the others wait for it.
    await runner.query(
      `CREATE INDEX deliveries_about_idx ON deliveries (receiver_id, about, position) WHERE state = 'waiting'`,
    );
    await runner.query(
      `CREATE INDEX deliveries_position_idx ON deliveries (receiver_id, position) WHERE state = 'waiting'`,
    );
    await runner.query(`CREATE INDEX deliveries_receiver_id_at_id_idx ON deliveries (receiver_id, at, id)`);
    await runner.query(
      `CREATE INDEX deliveries_finished_at_idx ON deliveries (finished_at) WHERE finished_at IS NOT NULL`,
    );

    // By the statement that writes the line, so in its transaction, and without a round trip. It fires once for a statement,
    // however many lines that writes, and where there is no receiver it reads an empty table. With the rights of the owner, as the
    // other triggers: the role that serves has none on these tables before the migrations are through.
    const [row]: { path: string }[] = await runner.query(`SELECT quote_ident(current_schema()) AS path`);
    await runner.query(`
      CREATE FUNCTION deliver_audit_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
      SET search_path = ${row!.path}, pg_temp AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM receivers WHERE disabled_at IS NULL) THEN
          RETURN NULL;
        END IF;
        INSERT INTO deliveries (receiver_id, event, about, user_id, session_id, reason, email, at)
        SELECT r.id, e.event, coalesce(a.session_id, a.user_id), a.user_id, a.session_id, a.reason,
          CASE WHEN 'email' = ANY (r.include) THEN (SELECT u.email FROM users u WHERE u.id = a.user_id) END, a.at
        FROM added a
        JOIN (VALUES
          ('session_created', 'session.created'), ('session_revoked', 'session.revoked'),
          ('session_expired', 'session.expired'), ('refresh_token_reused', 'refresh_token.reused'),
          ('user_created', 'user.created'), ('user_disabled', 'user.disabled'), ('user_enabled', 'user.enabled'),
          ('account_deleted', 'user.deleted'), ('password_changed', 'password.changed'),
          ('password_reset', 'password.changed'), ('password_withdrawn', 'password.changed'),
          ('email_changed', 'email.changed'), ('email_change_undone', 'email.changed')
        ) AS e (type, event) ON e.type = a.type AND (a.outcome = 'success' OR a.type = 'refresh_token_reused')
        JOIN receivers r ON r.disabled_at IS NULL AND e.event = ANY (r.events)
        ORDER BY a.at, a.type = 'session_revoked';
        RETURN NULL;
      END $$`);

    // However a service client ends, its streams end with it; one that was disabled before too, so that nobody enables it again.
    await runner.query(`
      CREATE FUNCTION disable_streams_of_ended_client() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
      SET search_path = ${row!.path}, pg_temp AS $$
      BEGIN
        UPDATE receivers SET disabled_at = coalesce(disabled_at, now()), disabled_reason = 'client_ended'
        WHERE client_id = NEW.id AND disabled_reason IS DISTINCT FROM 'client_ended';
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER service_clients_disable_streams AFTER UPDATE OF ended_at ON service_clients
      FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION disable_streams_of_ended_client()`);

    await runner.query(`
      CREATE TABLE session_expiries (
        session_id uuid NOT NULL,
        look_at timestamptz(3) NOT NULL,
        CONSTRAINT session_expiries_pkey PRIMARY KEY (session_id)
      ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)`);
    await runner.query(`
      CREATE FUNCTION note_session_expiries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
      SET search_path = ${row!.path}, pg_temp AS $$
      BEGIN
        INSERT INTO session_expiries (session_id, look_at) SELECT id, least(idle_expires_at, expires_at) FROM added
        ON CONFLICT (session_id) DO UPDATE SET look_at = excluded.look_at;
        RETURN NULL;
      END $$`);
    await runner.query(`CREATE INDEX session_expiries_look_at_idx ON session_expiries (look_at)`);

    await runner.query(`
      REVOKE ALL ON FUNCTION deliver_audit_events, disable_streams_of_ended_client, note_session_expiries FROM PUBLIC`);

    // Last, since what writes to these tables waits from here on, and in the order in which requests use them.
    await runner.query(`
      CREATE TRIGGER sessions_note_expiry AFTER INSERT ON sessions REFERENCING NEW TABLE AS added
      FOR EACH STATEMENT EXECUTE FUNCTION note_session_expiries()`);
    await runner.query(`
      CREATE TRIGGER audit_events_deliver AFTER INSERT ON audit_events REFERENCING NEW TABLE AS added
      FOR EACH STATEMENT EXECUTE FUNCTION deliver_audit_events()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER sessions_note_expiry ON sessions`);
    await runner.query(`DROP FUNCTION note_session_expiries`);
    await runner.query(`DROP TABLE session_expiries`);
    await runner.query(`DROP TRIGGER service_clients_disable_streams ON service_clients`);
    await runner.query(`DROP FUNCTION disable_streams_of_ended_client`);
    await runner.query(`DROP TRIGGER audit_events_deliver ON audit_events`);
    await runner.query(`DROP FUNCTION deliver_audit_events`);
    await runner.query(`DROP TABLE deliveries`);
    await runner.query(`DROP TABLE receivers`);
  }
}
