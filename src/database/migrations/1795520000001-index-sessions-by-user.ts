import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IndexSessionsByUser1795520000001 implements MigrationInterface {
  readonly name = 'IndexSessionsByUser1795520000001';
  // CONCURRENTLY is not for transactions. It builds while sessions go on opening and ending; what a failure leaves behind
  // is dropped by the next attempt.
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS sessions_user_id_revoked_at_idx`);
    // All of a user's sessions, ended or not: for history, export and deletion.
    await runner.query(`
      CREATE INDEX CONCURRENTLY sessions_user_id_revoked_at_idx ON sessions (user_id, revoked_at)`);
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS sessions_revoked_by_user_idx`);
  }

  // Inside a transaction, which TypeORM begins for every revert.
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX sessions_revoked_by_user_idx ON sessions (user_id, revoked_at) WHERE revoked_at IS NOT NULL`);
    await runner.query(`DROP INDEX sessions_user_id_revoked_at_idx`);
  }
}
