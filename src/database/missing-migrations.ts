import sql from 'sql-template-tag';
import type { MigrationInterface } from 'typeorm';
import { codeOf } from '../problems/error-code.js';
import { ServiceUnavailableError } from '../problems/problem.js';
import type { Queryable } from './transaction.js';

const UNDEFINED_TABLE = '42P01';

/**
 * The names of this code's migrations that the database lacks; none, where the code knows the schema. What the database
 * has beyond them came with a later release, and migrations only add. Throws what the driver throws.
 */
export async function missingMigrations(
  known: readonly Pick<MigrationInterface, 'name'>[],
  database: Queryable,
): Promise<string[]> {
  const applied = await appliedTo(database);
  return known.map((migration) => migration.name ?? migration.constructor.name).filter((name) => !applied.has(name));
}

async function appliedTo(database: Queryable): Promise<ReadonlySet<string>> {
  try {
    const { rows } = await database.query<{ name: string }>(sql`SELECT name FROM migrations`);
    return new Set(rows.map(({ name }) => name));
  } catch (error) {
    if (codeOf(error) === UNDEFINED_TABLE) {
      return new Set();
    }
    throw error;
  }
}

/** The schema is not one that this code knows. Clients read that the service is unavailable, the log why. */
export class UnknownSchemaError extends ServiceUnavailableError {
  constructor(missing: readonly string[]) {
    super();
    // What the filter logs; the place where it was thrown explains nothing.
    this.stack =
      `The database lacks ${missing.join(', ')}. Was that taken back while this runs, or a backup of an earlier release ` +
      'restored? Migrate again.';
  }
}
