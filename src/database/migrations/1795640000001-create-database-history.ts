import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateDatabaseHistory1795640000001 implements MigrationInterface {
  readonly name = 'CreateDatabaseHistory1795640000001';

  async up(runner: QueryRunner): Promise<void> {
    // A row for each time that the database, as PostgreSQL identifies it, became another one than before.
    await runner.query(`
      CREATE TABLE database_history (
        number            integer NOT NULL,
        id                uuid NOT NULL DEFAULT gen_random_uuid(),
        began_at          timestamptz(3) NOT NULL DEFAULT now(),
        cause             text NOT NULL,
        system_identifier text,
        database_oid      text NOT NULL,
        table_oid         text NOT NULL,
        timeline          integer,
        recovery_target   text NOT NULL,
        went_back_at      timestamptz(3),
        went_back_why     text,
        CONSTRAINT database_history_pkey PRIMARY KEY (number)
      )`);

    // Each process of the service counts up a number of its own. What it was answered must still be there later.
    await runner.query(`
      CREATE TABLE service_processes (
        id         uuid NOT NULL,
        number     integer NOT NULL,
        written_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT service_processes_pkey PRIMARY KEY (id)
      )`);
    // Retention finds there what is over.
    await runner.query(`CREATE INDEX service_processes_written_at_idx ON service_processes (written_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE service_processes`);
    await runner.query(`DROP TABLE database_history`);
  }
}
