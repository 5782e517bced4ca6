import sql from 'sql-template-tag';
import { StartError } from '../problems/start-error.js';
import type { PostgresOptions } from './migrate.js';
import { ServiceClient } from './service-client.js';
import { answerOf } from './transaction.js';

// One is enough where no other client uses the pooler.
const ROUNDS = 5;
const TIME_LIMITS = ['statement_timeout', 'idle_in_transaction_session_timeout'];

/**
 * Whether a pooler stands in between that gives each transaction another of the server's connections: what is set,
 * prepared or listened to on one is lost. Throws what the driver throws, {@link PooledWithoutTimeLimitsError}, and
 * where the pooler takes no transactions at all, its refusal.
 */
export async function isPooledByTransaction({ url, connectTimeoutMS }: PostgresOptions): Promise<boolean> {
  const config = { connectionString: url, connectionTimeoutMillis: connectTimeoutMS, query_timeout: connectTimeoutMS };
  const [one, other] = [new ServiceClient(config), new ServiceClient(config)];
  try {
    await one.connect();
    // PostgreSQL names the process that serves a client. A pooler cannot, and sends a number of its own.
    if ('processID' in one && one.processID === (await backendOf(one))) {
      return false;
    }
    await other.connect();
    if (!(await changesBackends(one, other))) {
      return false;
    }
    await one.query('BEGIN');
    await one.query('COMMIT');
    await requireTimeLimits(one);
    return true;
  } finally {
    await Promise.all([one.end(), other.end()]);
  }
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

// As every connection of the role begins, whatever was set on this one.
async function requireTimeLimits(client: ServiceClient): Promise<void> {
  const { rows } = await answerOf<{ name: string; role: string }>(
    client,
    sql`SELECT name, current_user AS role FROM pg_settings
        WHERE name = ANY(${TIME_LIMITS}) AND reset_val = '0' ORDER BY name DESC`,
  );
  const [first] = rows;
  if (first) {
    throw new PooledWithoutTimeLimitsError(
      first.role,
      rows.map(({ name }) => name),
    );
  }
}

/** Nothing would end a statement that waits for ever. */
class PooledWithoutTimeLimitsError extends StartError {
  constructor(role: string, missing: readonly string[]) {
    super(
      `DATABASE_URL leads to a pooler that gives each transaction another connection (pool_mode = transaction), where ` +
        `no time limit can be set: ${missing.map((name) => `ALTER ROLE ${role} SET ${name} = '10s'`).join('; ')}; ` +
        `and let the pooler connect again (RECONNECT). Or use pool_mode = session, which streams need to hear at once.`,
    );
  }
}
