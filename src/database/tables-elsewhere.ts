import { Logger } from '@nestjs/common';
import sql from 'sql-template-tag';
import { DEFAULT_SCHEMA } from '../config/database.config.js';
import { StartError } from '../problems/start-error.js';
import type { ServiceClient } from './service-client.js';
import { answerOf } from './transaction.js';

// Of the first migration, and of a name that no other application has.
const OURS = 'audit_events_are_append_only';

/**
 * Requires that a service without a schema of its own does not leave tables behind: it once had those that the search
 * path of its role finds, which may be in a schema with the name of the role. Throws {@link TablesElsewhereError} where
 * there are such tables and public has none; where both have, a service warns.
 *
 * @param client whose search path is the one that connections of the role begin with
 */
export async function requireNoTablesElsewhere(
  client: ServiceClient,
  schema: string | undefined,
  isServing: boolean,
): Promise<void> {
  if (schema !== DEFAULT_SCHEMA) {
    return;
  }
  const { rows } = await answerOf<{ elsewhere: string; hasOwn: boolean }>(
    client,
    sql`SELECT nspname AS elsewhere, EXISTS (
          SELECT FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
          WHERE proname = ${OURS} AND nspname = ${schema}
        ) AS "hasOwn"
        FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE pg_proc.oid = to_regproc(${OURS}) AND nspname <> ${schema}`,
  );
  const [found] = rows;
  if (found && !found.hasOwn) {
    throw new TablesElsewhereError(found.elsewhere);
  }
  if (found && isServing) {
    new Logger('Database').warn(
      `Both the schemas ${schema} and ${found.elsewhere} have tables of this service, and the search_path of the role ` +
        `finds those in ${found.elsewhere}. These are the ones in ${schema}: where accounts are missing, set DATABASE_SCHEMA=${found.elsewhere}.`,
    );
  }
}

/** Tables made anew in public would be a service without its accounts. */
class TablesElsewhereError extends StartError {
  constructor(schema: string) {
    super(
      `The schema ${DEFAULT_SCHEMA} has no tables, and the search_path of the role in DATABASE_URL finds those of a service in ` +
        `the schema ${schema}. Set DATABASE_SCHEMA=${schema} to go on with its accounts. For a new service beside ` +
        `it, set DATABASE_SCHEMA to another name.`,
    );
  }
}
