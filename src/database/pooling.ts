import sql from 'sql-template-tag';
import { StartError } from '../problems/start-error.js';
import type { PostgresOptions } from './database-options.js';
import { ServiceClient } from './service-client.js';
import { requireNoTablesElsewhere } from './tables-elsewhere.js';
import { answerOf } from './transaction.js';

// One is enough where no other client uses the pooler.
const ROUNDS = 5;

/** What each connection of the service is set to, which is to be the role's where connections cannot be set to anything. */
const NEEDED_WHEN_SERVING = [
  ['statement_timeout', '10s'],
  ['idle_in_transaction_session_timeout', '10s'],
  ['default_transaction_isolation', 'read committed'],
  // Stricter ones hide the warning that the standbys have not got what was committed.
  ['client_min_messages', 'warning'],
] as const;

/**
 * The options for what is in between: where a pooler gives each transaction another of the server's connections, what is
 * set, prepared or listened to on one is lost, and `extra.isPooledByTransaction` says so. Throws what the driver throws,
 * {@link UnsuitableRoleError}, where the pooler takes no transactions at all, its refusal, and where the role has led to
 * tables that the service would not find, what {@link requireNoTablesElsewhere} throws.
 *
 * @param isServing false for a command: statements may take their time
 */
export async function throughPooler<Options extends PostgresOptions>(
  options: Options,
  { isServing = true } = {},
): Promise<Options> {
  const needs: Setting[] = [
    ...(isServing ? NEEDED_WHEN_SERVING : []),
    ...(options.schema === undefined ? [] : [['search_path', options.schema] as const]),
  ];
  const { url, connectTimeoutMS } = options;
  const config = { connectionString: url, connectionTimeoutMillis: connectTimeoutMS, query_timeout: connectTimeoutMS };
  const [one, other] = [new ServiceClient(config), new ServiceClient(config)];
  try {
    await one.connect();
    const isPooledByTransaction = await isPooled(one, other);
    // The search path that each connection of the role begins with, whatever was set on this one.
    await one.query('BEGIN');
    await one.query('SET LOCAL search_path TO DEFAULT');
    await requireNoTablesElsewhere(one, options.schema, isServing);
    if (isPooledByTransaction) {
      await requireSettings(one, needs);
    }
    await one.query('COMMIT');
    return { ...options, extra: { ...options.extra, isPooledByTransaction } };
  } finally {
    await Promise.all([one.end(), other.end()]);
  }
}

type Setting = readonly [name: string, needed: string];

async function isPooled(one: ServiceClient, other: ServiceClient): Promise<boolean> {
  // PostgreSQL names the process that serves a client. A pooler cannot, and sends a number of its own.
  if ('processID' in one && one.processID === (await backendOf(one))) {
    return false;
  }
  await other.connect();
  return changesBackends(one, other);
}

async function changesBackends(one: ServiceClient, other: ServiceClient): Promise<boolean> {
  const backends = [await backendOf(one), await backendOf(other)];
  for (let round = 0; round < ROUNDS; round++) {
    // Twice, so that two connections which are handed out in turn do not look as if each client had one.
    const again = [await backendOf(other), await backendOf(other), await backendOf(one)];
    if (
      backends[0] === backends[1] ||
      again[0] !== backends[1] ||
      again[1] !== backends[1] ||
      again[2] !== backends[0]
    ) {
      return true;
    }
  }
  return false;
}

async function backendOf(client: ServiceClient): Promise<number | undefined> {
  const { rows } = await answerOf<{ pid: number }>(client, sql`SELECT pg_backend_pid() AS pid`);
  return rows[0]?.pid;
}

// A path that begins with the schema will do before there is that schema, and any that leads to it once there is.
async function requireSettings(client: ServiceClient, needs: readonly Setting[]): Promise<void> {
  const [names, values] = [needs.map(([name]) => name), needs.map(([, needed]) => needed)];
  const { rows } = await answerOf<{ change: string }>(
    client,
    sql`SELECT format('ALTER ROLE %I%s SET %s = %L', current_user,
               CASE name WHEN 'search_path' THEN format(' IN DATABASE %I', current_database()) END, name, needed) AS change
        FROM pg_settings
        JOIN unnest(${names}::text[], ${values}::text[]) WITH ORDINALITY AS needs (name, needed, place) USING (name)
        WHERE CASE
          WHEN needed = '10s' THEN reset_val = '0'
          WHEN name = 'client_min_messages' THEN reset_val IN ('error', 'fatal', 'panic')
          WHEN name = 'search_path' AND current_schema() = needed THEN false
          ELSE split_part(replace(reset_val, '"', ''), ',', 1) <> needed
        END
        ORDER BY place`,
  );
  if (rows.length > 0) {
    throw new UnsuitableRoleError(rows.map(({ change }) => change));
  }
}

/**
 * Nothing would end a statement that waits for ever, or statements fail for what others commit meanwhile, or they ask
 * another schema.
 */
class UnsuitableRoleError extends StartError {
  constructor(changes: readonly string[]) {
    super(
      `DATABASE_URL leads to a pooler that gives each transaction another connection (pool_mode = transaction), so the ` +
        `role must have what cannot be set for a connection there: ${changes.join('; ')}; ` +
        `and let the pooler connect again (RECONNECT). Or use pool_mode = session, with which streams are notified at once.`,
    );
  }
}
