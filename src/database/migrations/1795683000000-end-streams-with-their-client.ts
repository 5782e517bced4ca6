import type { MigrationInterface, QueryRunner } from 'typeorm';

export class EndStreamsWithTheirClient1795683000000 implements MigrationInterface {
  readonly name = 'EndStreamsWithTheirClient1795683000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE receivers ADD verification_asked_at timestamptz(3)`);
    // One that its client, or staff, disabled before too: nobody enables it again.
    await this.write(
      runner,
      `UPDATE receivers SET disabled_at = coalesce(disabled_at, now()), disabled_reason = 'client_ended'
        WHERE client_id = NEW.id AND disabled_reason IS DISTINCT FROM 'client_ended'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await this.write(
      runner,
      `UPDATE receivers SET disabled_at = now(), disabled_reason = 'client_ended'
        WHERE client_id = NEW.id AND disabled_at IS NULL`,
    );
    await runner.query(`ALTER TABLE receivers DROP COLUMN verification_asked_at`);
  }

  private async write(runner: QueryRunner, statement: string): Promise<void> {
    const [row]: { path: string }[] = await runner.query(`SELECT quote_ident(current_schema()) AS path`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION disable_streams_of_ended_client() RETURNS trigger LANGUAGE plpgsql
      SET search_path = ${row!.path}, pg_temp AS $$
      BEGIN
        ${statement};
        RETURN NULL;
      END $$`);
  }
}
