import { Injectable } from '@nestjs/common';
import sql from 'sql-template-tag';
import { DataSource } from 'typeorm';
import { codeOf } from '../problems/error-code.js';
import { ServiceUnavailableError } from '../problems/problem.js';
import { InjectOurDataSource } from './data-source.js';
import { Database } from './database.js';
import { DatabaseWentBackError } from './history/history.errors.js';
import { historyOf, poolOf } from './pool.js';
import { ReservedConnections } from './reserved-connections.js';

const UNDEFINED_TABLE = '42P01';
const APPLIED = sql`SELECT name FROM migrations`;

interface AppliedMigration {
  readonly name: string;
}

/** Whether the database is one that this code may serve: it has what it had, and a schema that this code knows. */
@Injectable()
export class Schema {
  constructor(
    @InjectOurDataSource() private readonly dataSource: DataSource,
    private readonly reserved: ReservedConnections,
  ) {}

  /** Throws {@link DatabaseWentBackError} where the database lacks what it had. */
  requireIntact(): void {
    if (historyOf(poolOf(this.dataSource))?.wentBackWhy) {
      throw new DatabaseWentBackError();
    }
  }

  /**
   * Throws {@link UnknownSchemaError} where the database lacks a migration, and what the driver throws. It takes the way
   * of protected requests: where every other connection is busy, those are served all the same.
   */
  async requireKnown(): Promise<void> {
    const missing = await missingMigrations(this.dataSource, () =>
      this.reserved.prepared<AppliedMigration>('migrations', APPLIED),
    );
    if (missing.length > 0) {
      throw new UnknownSchemaError(missing);
    }
  }
}

/**
 * The names of this code's migrations that the database lacks; none, where the code knows the schema. What the database
 * has beyond them came with a later release, and migrations only add. Throws what the driver throws.
 *
 * @param findApplied on which connection; one of the pool unless given
 */
export async function missingMigrations(
  dataSource: DataSource,
  findApplied = () => new Database(dataSource).query<AppliedMigration>(APPLIED),
): Promise<string[]> {
  const applied = await namesOf(findApplied);
  return dataSource.migrations
    .map((migration) => migration.name ?? migration.constructor.name)
    .filter((name) => !applied.has(name));
}

async function namesOf(findApplied: () => Promise<{ rows: AppliedMigration[] }>): Promise<ReadonlySet<string>> {
  try {
    const { rows } = await findApplied();
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
    this.stack = `The database lacks ${missing.join(', ')}. Was that taken back while this runs? Migrate again.`;
  }
}
