import type { MigrationInterface, QueryRunner } from 'typeorm';

// Like migrations that are transactions: what waits for the table holds up all that come after it.
const LOCK_TIMEOUT = `SET LOCAL lock_timeout = '200ms'`;
// Read in a moment, while the table is locked.
const SMALL_BYTES = 8 * 1024 * 1024;
// When all that is in the table is over, by a constraint that is checked.
const PROOF = `
  SELECT ends FROM (
    SELECT substring(pg_get_constraintdef(oid) FROM '''([^'']+)''')::timestamptz AS ends FROM pg_constraint
    WHERE conrelid = 'audit_events'::regclass AND conname = 'audit_events_end'
  ) proof`;
const INDEXES = [
  ['user_id_at', '(user_id, at)'],
  ['session_id', '(session_id)'],
] as const;
const TRIGGERS = `
  CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();
  ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_append_only;
  CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();
  ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_no_truncate`;

/**
 * The trail gets a part for each month, and what was there becomes its first part, audit_events_old: nothing is copied,
 * and the table is locked for a moment only, however large it is. That part ends when the table was small, now; else with
 * a month at least four weeks ahead, so that a constraint can prove it before. An attempt that was interrupted goes on
 * where it ended, in those weeks: until then the constraint refuses nothing. The key begins with the time, so that lines are
 * found in order by it and no index is written at a random place for each.
 */
export class PartTheAuditTrailByMonth1795620000002 implements MigrationInterface {
  readonly name = 'PartTheAuditTrailByMonth1795620000002';
  // Indexes are built CONCURRENTLY, and a constraint is validated, while lines are being written.
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    if (await isParted(runner)) {
      return;
    }
    // Each of them is there and valid, so that none is built under the lock.
    await ensureIndex(runner, 'audit_events_at_id_key', '(at, id)', 'UNIQUE');
    for (const [name, columns] of INDEXES) {
      await ensureIndex(runner, `audit_events_${name}_idx`, columns);
    }
    if (!(await isSmall(runner))) {
      await proveItsEnd(runner);
    }
    await inTransaction(runner, () => part(runner));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE`);
    const [old] = await runner.query(`SELECT FROM audit_events_parts() WHERE starts_at = '-infinity'`);
    // What is parted is copied back: this takes its time, and the trail is locked meanwhile.
    await runner.query(
      old
        ? `ALTER TABLE audit_events DETACH PARTITION audit_events_old`
        : `CREATE TABLE audit_events_old (LIKE audit_events INCLUDING DEFAULTS INCLUDING INDEXES)`,
    );
    await runner.query(`INSERT INTO audit_events_old SELECT * FROM audit_events`);
    await runner.query(`SELECT audit_events_copy_rights('audit_events', 'audit_events_old')`);
    await runner.query(`DROP TABLE audit_events`);
    await runner.query(`ALTER TABLE audit_events_old RENAME TO audit_events`);
    await runner.query(`ALTER TABLE audit_events DROP CONSTRAINT audit_events_old_pkey`);
    await runner.query(`ALTER TABLE audit_events ADD CONSTRAINT audit_events_pkey PRIMARY KEY (id)`);
    await runner.query(`CREATE INDEX audit_events_at_id_idx ON audit_events (at, id)`);
    for (const [name] of INDEXES) {
      await runner.query(`ALTER INDEX audit_events_old_${name}_idx RENAME TO audit_events_${name}_idx`);
    }
    await runner.query(`DROP TRIGGER IF EXISTS audit_events_no_truncate ON audit_events`);
    await runner.query(TRIGGERS);
  }
}

async function isParted(runner: QueryRunner): Promise<boolean> {
  const [row] = await runner.query(`SELECT FROM pg_class WHERE oid = 'audit_events'::regclass AND relkind = 'p'`);
  return row !== undefined;
}

async function ensureIndex(runner: QueryRunner, name: string, columns: string, kind = ''): Promise<void> {
  const [valid] = await runner.query(`SELECT FROM pg_index WHERE indexrelid = to_regclass('${name}') AND indisvalid`);
  if (valid === undefined) {
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
    await runner.query(`CREATE ${kind} INDEX CONCURRENTLY ${name} ON audit_events ${columns}`);
  }
}

async function isSmall(runner: QueryRunner): Promise<boolean> {
  const [row] = await runner.query(`SELECT pg_relation_size('audit_events') <= ${SMALL_BYTES} AS "isSmall"`);
  return row.isSmall;
}

/** A constraint by which all that is in the table, and all that comes until it is a part, is from before a month's start. */
async function proveItsEnd(runner: QueryRunner): Promise<void> {
  await inTransaction(runner, async () => {
    const [proof] = await runner.query(`${PROOF} WHERE ends > now() + interval '1 week'`);
    if (proof !== undefined) {
      return;
    }
    // Left from an attempt weeks ago, it would soon refuse lines.
    await runner.query(`ALTER TABLE audit_events DROP CONSTRAINT IF EXISTS audit_events_end`);
    const [{ ends }] = await runner.query(`
      SELECT (date_trunc('month', greatest(now() + interval '28 days', max(at))) + interval '1 month')::text AS ends
      FROM audit_events`);
    await runner.query(`ALTER TABLE audit_events ADD CONSTRAINT audit_events_end CHECK (at < '${ends}') NOT VALID`);
  });
  await inTransaction(runner, async () => {
    // Who reads and writes lines does not wait for this, however long it takes.
    await runner.query(`SET LOCAL lock_timeout = 0`);
    await runner.query(`ALTER TABLE audit_events VALIDATE CONSTRAINT audit_events_end`);
  });
}

async function part(runner: QueryRunner): Promise<void> {
  const [{ owner }] = await runner.query(
    `SELECT quote_ident(pg_get_userbyid(relowner)) AS owner FROM pg_class WHERE oid = 'audit_events'::regclass`,
  );
  // Requests do not wait for the first lock; autovacuum, which does not let go in so short a time as theirs, does.
  await runner.query(`
    CREATE TABLE audit_events_by_month (LIKE audit_events INCLUDING DEFAULTS) PARTITION BY RANGE (at);
    SET LOCAL lock_timeout = '5s';
    LOCK TABLE audit_events IN SHARE UPDATE EXCLUSIVE MODE;
    ${LOCK_TIMEOUT};
    LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE`);
  const [{ ends }] = await runner.query(`
    SELECT coalesce((${PROOF} WHERE ends > now()), greatest(clock_timestamp(), max(at)) + interval '2 milliseconds')::text
      AS ends
    FROM audit_events`);
  await runner.query(`
    ALTER TABLE audit_events RENAME TO audit_events_old;
    ALTER TABLE audit_events_old DROP CONSTRAINT audit_events_pkey;
    ALTER TABLE audit_events_old ADD CONSTRAINT audit_events_old_pkey PRIMARY KEY USING INDEX audit_events_at_id_key;
    DROP INDEX audit_events_at_id_idx;
    DROP TRIGGER audit_events_append_only ON audit_events_old;
    ${INDEXES.map(([name]) => `ALTER INDEX audit_events_${name}_idx RENAME TO audit_events_old_${name}_idx`).join(';')};

    ALTER TABLE audit_events_by_month RENAME TO audit_events;
    ALTER TABLE audit_events OWNER TO ${owner};
    ALTER TABLE audit_events ADD CONSTRAINT audit_events_pkey PRIMARY KEY (at, id);
    ${INDEXES.map(([name, columns]) => `CREATE INDEX audit_events_${name}_idx ON audit_events ${columns}`).join(';')};
    ${TRIGGERS};
    SELECT audit_events_copy_rights('audit_events_old', 'audit_events');
    SELECT audit_events_copy_rights('audit_events', 'audit_events_old', 'SELECT');

    ALTER TABLE audit_events ATTACH PARTITION audit_events_old FOR VALUES FROM (MINVALUE) TO ('${ends}');
    ALTER TABLE audit_events_old DROP CONSTRAINT IF EXISTS audit_events_end;
    SELECT audit_events_add_part('audit_events_default', 'DEFAULT');
    ALTER TABLE audit_events_default OWNER TO ${owner};
    SELECT audit_events_make_parts(3)`);
}

async function inTransaction(runner: QueryRunner, work: () => Promise<void>): Promise<void> {
  await runner.startTransaction('READ COMMITTED');
  try {
    await runner.query(
      `${LOCK_TIMEOUT}; SET LOCAL statement_timeout = 0; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'`,
    );
    await work();
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  }
}
