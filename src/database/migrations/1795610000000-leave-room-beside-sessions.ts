import type { MigrationInterface, QueryRunner } from 'typeorm';

export class LeaveRoomBesideSessions1795610000000 implements MigrationInterface {
  readonly name = 'LeaveRoomBesideSessions1795610000000';

  async up(runner: QueryRunner): Promise<void> {
    // It waits for what maintains the table alone, and autovacuum gives way after a second; no request waits for it (SHARE
    // UPDATE EXCLUSIVE).
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    // A rotation changes no indexed column, so its row stays where it is if there is room on the page, also while a long
    // transaction keeps the old versions. Pages that are full already stay so until their rows move away. By default autovacuum
    // comes after a fifth of a table has changed, which is seldom in a big one.
    await runner.query(`
      ALTER TABLE sessions SET (
        fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE sessions RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)`);
  }
}
