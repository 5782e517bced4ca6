import type { MigrationInterface, QueryRunner } from 'typeorm';

// Whether a migration lets the release before it go on, as PostgreSQL itself sees it: what was locked, what was read or
// written while it was locked, and what the schema lacks afterwards.

// Requests wait for those: to write, or even to read.
const STRONG = ['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'];
// Each of them is a row that a request may wait for until the migration commits.
const MOST_ROWS = 1000;
const ONLINE = /^\s*(?:CREATE(?: UNIQUE)? INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|SELECT)\b/i;

interface Table {
  readonly oid: number;
  readonly name: string;
  /** Where its rows are: another one where it was rewritten. */
  readonly file: number;
  /** How often all of it was read by this connection, and how many rows it changed. */
  readonly reads: number;
  /** How many of its rows were found by an index. */
  readonly fetched: number;
  readonly changes: number;
  readonly isLocked: boolean;
}

const TABLES = `
  SELECT c.oid::integer, c.relname AS name, c.relfilenode::integer AS file,
    coalesce(s.seq_scan, 0)::integer AS reads, coalesce(s.idx_tup_fetch, 0)::integer AS fetched,
    coalesce(s.n_tup_upd + s.n_tup_del, 0)::integer AS changes,
    EXISTS (SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.pid = pg_backend_pid()
      AND l.mode IN (${STRONG.map((mode) => `'${mode}'`).join(', ')})) AS "isLocked"
  FROM pg_class c LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')`;

interface Column {
  readonly name: string;
  readonly table: string;
  readonly type: string;
  readonly isRequired: boolean;
}

const COLUMNS = `
  SELECT table_name AS table, table_name || '.' || column_name AS name, data_type AS type,
    is_nullable = 'NO' AND column_default IS NULL AS "isRequired"
  FROM information_schema.columns WHERE table_schema = 'public'`;

/** Runs a migration, and returns what would not let the release before it go on. Empty where nothing would. */
export async function complaintsOf(runner: QueryRunner, migration: MigrationInterface): Promise<string[]> {
  const columns: Column[] = await runner.query(COLUMNS);
  const tables: Table[] = await runner.query(TABLES);
  const watched = new Watched(runner, tables);
  if (migration.transaction ?? true) {
    await watched.runner.startTransaction();
    await migration.up(watched.runner);
    await watched.runner.commitTransaction();
  } else {
    await migration.up(watched.runner);
  }
  return [...watched.complaints, ...changesOf(columns, await runner.query(COLUMNS))];
}

/** A migration's connection, with an eye on each of its transactions. */
class Watched {
  readonly complaints: string[] = [];
  readonly runner: QueryRunner;
  private before: readonly Table[];

  constructor(
    private readonly connection: QueryRunner,
    private readonly known: readonly Table[],
  ) {
    this.before = known;
    const replaced: Partial<Record<string | symbol, unknown>> = {
      query: this.query,
      startTransaction: this.start,
      commitTransaction: this.commit,
    };
    this.runner = new Proxy(connection, {
      get(target, name) {
        const value: unknown = replaced[name] ?? Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  private readonly query = (text: string, values?: unknown[]): Promise<unknown> => {
    if (!this.connection.isTransactionActive && !ONLINE.test(text)) {
      this.complaints.push(`sends outside of a transaction, where it may wait for ever: ${text.trim().split('\n')[0]}`);
    }
    return this.connection.query(text, values);
  };

  private readonly start = async (): Promise<void> => {
    await this.connection.startTransaction('READ COMMITTED');
    this.before = await this.connection.query(TABLES);
  };

  private readonly commit = async (): Promise<void> => {
    const after: Table[] = await this.connection.query(TABLES);
    await this.connection.commitTransaction();
    for (const table of this.known) {
      const [then, now] = [this.before, after].map((tables) => tables.find(({ oid }) => oid === table.oid));
      if (!then || !now) {
        this.complaints.push(`drops ${table.name}`);
        continue;
      }
      const changes = now.changes - then.changes;
      if (now.file !== then.file) this.complaints.push(`writes all of ${table.name} anew`);
      else if (now.isLocked && (now.reads > then.reads || now.fetched > then.fetched + MOST_ROWS))
        this.complaints.push(`reads all of ${table.name} while it is locked`);
      if (changes > MOST_ROWS) this.complaints.push(`changes ${changes} rows of ${table.name} in one transaction`);
    }
  };
}

/** The release before goes on writing and reading these. */
function changesOf(before: readonly Column[], after: readonly Column[]): string[] {
  const tables = new Set(before.map(({ table }) => table));
  const known = new Map(before.map((column) => [column.name, column]));
  const found = new Map(after.map((column) => [column.name, column]));
  return [
    ...before.flatMap(({ name, type }) => {
      const column = found.get(name);
      if (!column) return [`takes ${name} away`];
      return column.type === type ? [] : [`makes ${name} ${column.type}`];
    }),
    ...after
      .filter(({ name, table, isRequired }) => isRequired && tables.has(table) && !known.get(name)?.isRequired)
      .map(({ name }) => `requires ${name}, which the release before does not write`),
  ];
}
