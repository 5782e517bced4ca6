import sql from 'sql-template-tag';
import type { QueryRunner } from 'typeorm';
import { DEFAULT_SCHEMA } from '../../config/database.config.js';
import { StartError } from '../../problems/start-error.js';
import { type PostgresOptions } from '../database-options.js';
import { Database } from '../database.js';
import { inTurn, migrate, onSchema } from '../migrate.js';
import { throughPooler } from '../pooling.js';
import { ServiceClient } from '../service-client.js';
import { answerOf, type Queryable } from '../transaction.js';
import { startErrorOf } from '../unreachable.js';
import { describeRights, grantsTo, missingRights } from './rights.js';

/**
 * Brings the schema up to date. Where another role than the one that serves does that, the latter gets the rights that it then
 * lacks. Returns the names of the migrations that ran. Throws as {@link migrate} does; nothing is tried with the other role.
 *
 * @param owner undefined where the role that serves migrates too
 */
export async function bringUpToDate(serving: PostgresOptions, owner: PostgresOptions | undefined): Promise<string[]> {
  if (!owner) {
    return migrate(serving);
  }
  try {
    const reachable = await throughPooler(owner, { isServing: false });
    const ran = await migrate(reachable);
    const role = await roleOf(serving);
    if ((await rightsLacking(reachable, role)) > 0) {
      await grantRights(reachable, role);
    }
    return ran;
  } catch (error) {
    throw startErrorOf(error, owner);
  }
}

/**
 * Gives a role the rights that it needs to serve, and takes others. Returns whether it did: a role that owns the tables has all.
 * Throws {@link StartError} where the role of the options may not.
 */
export function grantRights(options: PostgresOptions, role: string): Promise<boolean> {
  return onSchema(options, (dataSource) =>
    inTurn(dataSource, async (runner) => {
      if (await isOwner(runner, role)) {
        return false;
      }
      await runner.query(grantsTo(role, options.schema ?? DEFAULT_SCHEMA));
      return true;
    }),
  );
}

/** As which role these options connect: poolers may have other names for one. Throws {@link StartError} where they do not. */
export async function roleOf(options: PostgresOptions): Promise<string> {
  const { url, connectTimeoutMS } = options;
  const client = new ServiceClient({ connectionString: url, connectionTimeoutMillis: connectTimeoutMS });
  try {
    await client.connect();
    const { rows } = await answerOf<{ role: string }>(client, sql`SELECT current_user AS role`);
    return rows[0]?.role ?? '';
  } catch (error) {
    throw startErrorOf(error, options);
  } finally {
    client.end().catch(() => undefined);
  }
}

/** Throws {@link RightsMissingError} where the role that asks lacks what the tables need. */
export async function requireRights(database: Queryable, schema: string): Promise<void> {
  const missing = await missingRights(database, schema);
  // Functions may be withheld on purpose: retention says what that means.
  const ofTables = missing.filter(({ isOfTable }) => isOfTable);
  if (ofTables.length > 0) {
    throw new RightsMissingError(describeRights(ofTables));
  }
}

const rightsLacking = (options: PostgresOptions, role: string): Promise<number> =>
  onSchema(options, async (dataSource) => {
    const missing = await missingRights(new Database(dataSource), options.schema ?? DEFAULT_SCHEMA, role);
    return missing.length;
  });

async function isOwner(runner: QueryRunner, role: string): Promise<boolean> {
  const { text, values } = sql`SELECT pg_has_role(${role}, relowner, 'MEMBER') AS "isOwner"
    FROM pg_class WHERE oid = 'audit_events'::regclass`;
  const [row]: { isOwner: boolean }[] = await runner.query(text, values);
  return row?.isOwner ?? false;
}

/** The schema is up to date, and the role was not given what this release needs. */
class RightsMissingError extends StartError {
  constructor(missing: string) {
    super(
      `The role in DATABASE_URL lacks rights that this release needs: ${missing}. Run "node dist/bin/migrate.js", with the URL of ` +
        'the owner of the schema in MIGRATION_DATABASE_URL; or, as the owner, grants.sql with psql. ' +
        'src/database/roles/README.md says more.',
    );
  }
}
