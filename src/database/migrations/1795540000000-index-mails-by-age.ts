import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexMailsByAge1795540000000 implements MigrationInterface {
  readonly name = 'IndexMailsByAge1795540000000';

  async up(runner: QueryRunner): Promise<void> {
    // How old the oldest is, is asked at every scrape; without a mail server they only grow.
    await runner.query(`CREATE INDEX mails_created_at_idx ON mails (created_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX mails_created_at_idx`);
  }
}
