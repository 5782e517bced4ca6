import type { MigrationInterface, QueryRunner } from 'typeorm';

const INDEXES = [
  // A page of all accounts, newest first.
  ['users_created_at_id_idx', 'users (created_at, id)'],
  // Addresses by how they begin, whatever the collation of the database is.
  ['users_email_bytes_idx', 'users (email COLLATE "C")'],
  // Whether there is another admin: a few among very many.
  ['users_admins_idx', `users (id) WHERE role = 'admin'`],
] as const;

export class IndexUsersForStaff1795630000001 implements MigrationInterface {
  readonly name = 'IndexUsersForStaff1795630000001';
  // Built while people sign in and register; what a failure leaves behind is dropped by the next attempt.
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, columns] of INDEXES) {
      await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
      await runner.query(`CREATE INDEX CONCURRENTLY ${name} ON ${columns}`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX ${INDEXES.map(([name]) => name).join(', ')}`);
  }
}
