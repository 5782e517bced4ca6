import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateServiceClients1795600000000 implements MigrationInterface {
  readonly name = 'CreateServiceClients1795600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE service_clients (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        name text NOT NULL,
        scopes text[] NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        ended_at timestamptz(3),
        CONSTRAINT service_clients_pkey PRIMARY KEY (id)
      )`);
    // The audit trail and the list name clients: no two that may call have the same name.
    await runner.query(`CREATE UNIQUE INDEX service_clients_name_idx ON service_clients (name) WHERE ended_at IS NULL`);
    // Retention finds there what is over.
    await runner.query(`CREATE INDEX service_clients_ended_at_idx ON service_clients (ended_at)`);

    await runner.query(`
      CREATE TABLE service_client_secrets (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        client_id uuid NOT NULL,
        secret_hash bytea NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        last_used_at timestamptz(3),
        ended_at timestamptz(3),
        CONSTRAINT service_client_secrets_pkey PRIMARY KEY (id),
        CONSTRAINT service_client_secrets_client_id_fkey FOREIGN KEY (client_id)
          REFERENCES service_clients (id) ON DELETE CASCADE
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX service_client_secrets_secret_hash_idx ON service_client_secrets (secret_hash)`,
    );
    await runner.query(`CREATE INDEX service_client_secrets_client_id_idx ON service_client_secrets (client_id)`);
    await runner.query(`CREATE INDEX service_client_secrets_ended_at_idx ON service_client_secrets (ended_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE service_client_secrets`);
    await runner.query(`DROP TABLE service_clients`);
  }
}
