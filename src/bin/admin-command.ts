import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { configOfProcess } from '../config/environment.js';
import { onDatabase } from '../config/load-config.js';
import { databaseOptions } from '../database/database-options.js';
import { startEmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { type Transaction, Transactions } from '../database/transactions.js';
import { requireAnotherAdmin } from '../users/last-admin.js';
import { LastAdminError } from '../users/users.errors.js';

const GRANT = {
  name: 'admin:grant',
  sql: `UPDATE users SET role = 'admin' WHERE id = $1 AND role <> 'admin' RETURNING 'role_granted' AS type, 'admin' AS reason`,
  outcome: 'is an admin from the next request on.',
} as const;
const REVOKE = {
  name: 'admin:revoke',
  sql: `UPDATE users SET role = 'user' WHERE id = $1 AND role = 'admin' RETURNING 'role_revoked' AS type, 'admin' AS reason`,
  outcome: 'is no admin from the next request on.',
} as const;
const ENABLE = {
  name: 'admin:enable',
  sql: `UPDATE users SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL
        RETURNING 'user_enabled' AS type, NULL AS reason`,
  outcome: 'is not disabled from now on. Sessions that ended stay ended.',
} as const;
const COMMANDS = { grant: GRANT, revoke: REVOKE, enable: ENABLE };

/**
 * Does what its name says to the account named on the command line: there is no other way to the first admin, nor back
 * for one whom no other admin can enable. The process ends with 0 where the account is as asked, 1 where it is not, 2
 * where nobody was named.
 */
export async function runAdminCommand(which: keyof typeof COMMANDS): Promise<void> {
  const command = COMMANDS[which];
  const email = process.argv[2]?.toLowerCase();
  if (!email) {
    console.error(`Say whom: npm run ${command.name} -- ada@example.com`);
    process.exitCode = 2;
    return;
  }
  const settings = configOfProcess();
  const { databaseUrl, dataDir, emailVerification } = settings;
  const embedded = databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir, sharesRunning: true }) : null;
  const config = embedded ? onDatabase(settings, embedded.url) : settings;
  const dataSource = new DataSource({ ...databaseOptions(config), poolSize: 1 });
  try {
    await dataSource.initialize();
    const account = await new Transactions(dataSource).run((transaction) => change(transaction, command, email));
    if (!account) {
      console.error(`Nobody has registered as ${email}.`);
      process.exitCode = 1;
      return;
    }
    console.log(`${email} ${command.outcome}`);
    if (which !== 'revoke' && account.isDisabled) {
      console.log(`But the account is disabled, and cannot log in: npm run ${ENABLE.name} -- ${email}`);
    }
    if (which !== 'revoke' && !account.isVerified && emailVerification === 'required') {
      console.log(`But the address is not confirmed, which EMAIL_VERIFICATION asks for, so it cannot log in.`);
    }
  } catch (error) {
    if (!(error instanceof LastAdminError)) throw error;
    console.error(`${email} stays an admin: ${error.message}`);
    process.exitCode = 1;
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
    await embedded?.stop();
  }
}

/** How the account is then; null if there is none. What was so before is not told to the audit trail again. */
async function change(
  transaction: Transaction,
  { name, sql }: (typeof COMMANDS)[keyof typeof COMMANDS],
  email: string,
): Promise<{ isDisabled: boolean; isVerified: boolean } | null> {
  const [user] = await transaction.query<{ id: string }[]>('SELECT id FROM users WHERE email = $1', [email]);
  if (!user) {
    return null;
  }
  if (name === REVOKE.name) {
    await requireAnotherAdmin(transaction, user.id);
  }
  await transaction.query(
    `WITH changed AS (${sql})
     INSERT INTO audit_events (type, outcome, user_id, reason) SELECT type, 'success', $1, reason FROM changed`,
    [user.id],
  );
  const [account] = await transaction.query<{ isDisabled: boolean; isVerified: boolean }[]>(
    `SELECT disabled_at IS NOT NULL AS "isDisabled", email_verified_at IS NOT NULL AS "isVerified"
     FROM users WHERE id = $1`,
    [user.id],
  );
  return account ?? null;
}
