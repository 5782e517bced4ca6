import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateIncidents1795660000000 implements MigrationInterface {
  readonly name = 'CreateIncidents1795660000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE incidents (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        at timestamptz(3) NOT NULL,
        created_before timestamptz(3),
        created_after timestamptz(3),
        authenticated_before timestamptz(3),
        role text,
        network cidr,
        user_ids uuid[],
        reason text NOT NULL,
        opened_by uuid,
        request_id text,
        matches integer,
        ended integer NOT NULL DEFAULT 0,
        waits_for text[],
        last_user_id uuid,
        last_created_at timestamptz(3),
        last_id uuid,
        finished_at timestamptz(3),
        CONSTRAINT incidents_pkey PRIMARY KEY (id)
      )`);
    await runner.query(`CREATE INDEX incidents_finished_at_at_idx ON incidents (finished_at, at)`);
    // What is no address is in no network. A plain cast would fail, and with it each statement that asks.
    await runner.query(`
      CREATE FUNCTION is_in_network(address text, network cidr) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
      BEGIN
        RETURN address::inet <<= network;
      EXCEPTION WHEN invalid_text_representation THEN
        RETURN false;
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP FUNCTION is_in_network`);
    await runner.query(`DROP TABLE incidents`);
  }
}
