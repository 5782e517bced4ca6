import type { DataSource } from 'typeorm';
import { codeOf } from '../problems/error-code.js';
import { ServiceUnavailableError } from '../problems/problem.js';

const UNDEFINED_TABLE = '42P01';

/**
 * The names of this code's migrations that the database lacks; none, where the code knows the schema. What the database
 * has beyond them came with a later release, and migrations only add. Throws what the driver throws.
 *
 * @param ask on which connection; one of the pool unless given
 */
export async function missingMigrations(
  dataSource: DataSource,
  ask: Ask = (sql) => dataSource.query(sql),
): Promise<string[]> {
  const applied = await findApplied(ask);
  return dataSource.migrations
    .map((migration) => migration.name ?? migration.constructor.name)
    .filter((name) => !applied.has(name));
}

type Ask = (sql: string) => Promise<{ name: string }[]>;

async function findApplied(ask: Ask): Promise<ReadonlySet<string>> {
  try {
    const rows = await ask('SELECT name FROM migrations');
    return new Set(rows.map(({ name }) => name));
  } catch (error) {
    if (codeOf(error) === UNDEFINED_TABLE) {
      return new Set();
    }
    throw error;
  }
}

/** The schema is not the one this code knows. Clients hear that it cannot answer now, the log why. */
export class UnknownSchemaError extends ServiceUnavailableError {
  constructor(missing: readonly string[]) {
    super();
    // What the filter logs; where in our code it was raised helps nobody.
    this.stack = `The database lacks ${missing.join(', ')}. Was that taken back while this runs? Migrate again.`;
  }
}
