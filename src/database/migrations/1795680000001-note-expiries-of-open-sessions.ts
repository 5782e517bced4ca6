import type { MigrationInterface, QueryRunner } from 'typeorm';

const BATCH_ROWS = 10_000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Sessions that were opened before there was a trigger for it. Later ones have theirs by that, whichever release opens them. */
export class NoteExpiriesOfOpenSessions1795680000001 implements MigrationInterface {
  readonly name = 'NoteExpiriesOfOpenSessions1795680000001';
  // In portions, each of its own: nothing is locked, and vacuum is not held up, however many sessions there are. An attempt that
  // was interrupted begins anew, and finds what it has done.
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    for (let last: string | undefined = BEFORE_ALL; last !== undefined; last = await noteSome(runner, last));
  }

  down(): Promise<void> {
    return Promise.resolve();
  }
}

/** Returns up to where it came; undefined where nothing is left. */
async function noteSome(runner: QueryRunner, after: string): Promise<string | undefined> {
  await runner.startTransaction('READ COMMITTED');
  try {
    await runner.query(`SET LOCAL statement_timeout = 0`);
    const [row]: { last: string }[] = await runner.query(
      `WITH portion AS MATERIALIZED (
         SELECT id, revoked_at, least(idle_expires_at, expires_at) AS ends_at FROM sessions
         WHERE id > $1 ORDER BY id LIMIT ${BATCH_ROWS}
       ), noted AS (
         INSERT INTO session_expiries (session_id, look_at)
         SELECT id, ends_at FROM portion WHERE revoked_at IS NULL AND ends_at > now()
         ON CONFLICT DO NOTHING
       )
       SELECT id AS last FROM portion ORDER BY id DESC LIMIT 1`,
      [after],
    );
    await runner.commitTransaction();
    return row?.last;
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  }
}
