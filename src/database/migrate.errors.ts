import { StartError } from '../problems/start-error.js';

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** There is no such schema, and the role may not make it. */
export class SchemaMissingError extends StartError {
  /** @param setting which one has the URL of the role */
  constructor(setting: string, schema: string, error: unknown) {
    super(
      `The database has no schema ${schema}, as DATABASE_SCHEMA says, and the role in ${setting} may not make it ` +
        `(${reasonOf(error)}). Let its owner do it: CREATE SCHEMA ${schema} AUTHORIZATION the_role.`,
    );
  }
}

/** A schema of that name would come before public for all other connections of the role. */
export class SchemaOfRoleError extends StartError {
  constructor(setting: string, schema: string) {
    super(
      `DATABASE_SCHEMA is ${schema}, the name of the role in ${setting}. PostgreSQL looks for the tables of every connection ` +
        `of that role in a schema of its name first: other applications would find other tables than before. Choose another ` +
        `name, such as DATABASE_SCHEMA=auth. Where nothing else connects with the role, make it: CREATE SCHEMA "${schema}".`,
    );
  }
}

/** The role may run the service, or not even that, but not change the schema. */
export class SchemaForbiddenError extends StartError {
  /** @param missing the migrations that the schema lacks; null where the role may not read which */
  constructor(setting: string, missing: readonly string[] | null, error: unknown) {
    super(`${whatIsForbidden(setting, missing, reasonOf(error))} src/database/roles/README.md says more.`);
  }
}

function whatIsForbidden(setting: string, missing: readonly string[] | null, reason: string): string {
  const migrate = 'run "node dist/bin/migrate.js", with the URL of the owner of the schema in MIGRATION_DATABASE_URL';
  if (missing === null) {
    return (
      `The role in ${setting} may not read the table "migrations" (${reason}). To give it its rights, ${migrate}; or, as ` +
      'the owner, grants.sql with psql.'
    );
  }
  return missing.length > 0
    ? `The database lacks migrations that the role in ${setting} may not make (${reason}): ${missing.join(', ')}. First ${migrate}.`
    : `The role in ${setting} may not give rights on the tables (${reason}): that takes their owner.`;
}
