import type { MigrationInterface, QueryRunner } from 'typeorm';

const NAME = 'audit_events_rare_type_idx';
// Nearly all lines are of these types, so that a page of one is found at once among the newest. An index of the others is
// small, and no login or refresh writes to it.
const RARE = `(type, at, id) WHERE type NOT IN ('login_succeeded', 'session_created', 'session_refreshed', 'session_revoked')`;

/** What is rare is found in the trail without reading all of it. */
export class IndexRareAuditEvents1795630000002 implements MigrationInterface {
  readonly name = 'IndexRareAuditEvents1795630000002';
  // Built part by part, CONCURRENTLY, while lines are being written. An attempt that was interrupted goes on where it ended.
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    // Parts that come from now on have one.
    await inTransaction(runner, `CREATE INDEX IF NOT EXISTS ${NAME} ON ONLY audit_events ${RARE}`);
    const parts: { name: string; isDone: boolean }[] = await runner.query(`
      SELECT c.relname AS name, EXISTS (
        SELECT FROM pg_index x JOIN pg_inherits h ON h.inhrelid = x.indexrelid
        WHERE x.indrelid = c.oid AND h.inhparent = '${NAME}'::regclass
      ) AS "isDone"
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'audit_events'::regclass ORDER BY 1`);
    for (const { name } of parts.filter(({ isDone }) => !isDone)) {
      await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}_rare_type_idx`);
      await runner.query(`CREATE INDEX CONCURRENTLY ${name}_rare_type_idx ON ${name} ${RARE}`);
      await inTransaction(runner, `ALTER INDEX ${NAME} ATTACH PARTITION ${name}_rare_type_idx`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX ${NAME}`);
  }
}

async function inTransaction(runner: QueryRunner, statement: string): Promise<void> {
  await runner.startTransaction('READ COMMITTED');
  try {
    // Like a migration that is a transaction: what waits for the table holds up all that come after it.
    await runner.query(`SET LOCAL lock_timeout = '200ms'`);
    await runner.query(statement);
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  }
}
