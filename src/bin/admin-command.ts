import 'reflect-metadata';
import sql, { type Sql } from 'sql-template-tag';
import type { AppConfig } from '../config/config.js';
import { configOfProcess } from '../config/environment.js';
import { runOnDatabase } from '../database/command.js';
import { IS_IN_OPEN_INCIDENT } from '../database/open-incidents.sql.js';
import type { Transaction } from '../database/transaction.js';
import { INCIDENT_REASON } from '../sessions/incidents/incident-batches.js';
import { BY_THE_SERVICE, revokeRows } from '../sessions/sessions.sql.js';
import { requireAnotherAdmin } from '../users/last-admin.js';
import { LastAdminError } from '../users/users.errors.js';

/** What a command does: its change answers with the type and the reason of the line that it leaves in the audit trail. */
interface AdminCommand {
  readonly name: string;
  readonly change: (id: string) => Sql;
  readonly outcome: string;
}

const GRANT: AdminCommand = {
  name: 'admin:grant',
  change: (id) => sql`UPDATE users SET role = 'admin' WHERE id = ${id} AND role <> 'admin'
    RETURNING 'role_granted' AS type, 'admin' AS reason`,
  outcome: 'is an admin from the next request on.',
};
const REVOKE: AdminCommand = {
  name: 'admin:revoke',
  change: (id) => sql`UPDATE users SET role = 'user' WHERE id = ${id} AND role = 'admin'
    RETURNING 'role_revoked' AS type, 'admin' AS reason`,
  outcome: 'is no admin from the next request on.',
};
const ENABLE: AdminCommand = {
  name: 'admin:enable',
  change: (id) => sql`UPDATE users SET disabled_at = NULL WHERE id = ${id} AND disabled_at IS NOT NULL
    RETURNING 'user_enabled' AS type, NULL AS reason`,
  outcome: 'is not disabled from now on. Sessions that ended stay ended.',
};
const COMMANDS = { grant: GRANT, revoke: REVOKE, enable: ENABLE };

/**
 * Changes the account named on the command line: there is no other way to the first admin, nor back for an admin whom no
 * other admin can enable. The process ends with 0 where the account is as asked, 1 where it is not, 2 where no account
 * was named.
 */
export async function runAdminCommand(which: keyof typeof COMMANDS): Promise<void> {
  const command = COMMANDS[which];
  const email = process.argv[2]?.toLowerCase();
  if (!email) {
    console.error(`Which account? npm run ${command.name} -- ada@example.com`);
    process.exitCode = 2;
    return;
  }
  const settings = configOfProcess({ isServing: false });
  try {
    await runOnDatabase(settings, async (database) => {
      const account = await database.transaction((transaction) => change(transaction, command, email));
      report(which, email, account, settings);
    });
  } catch (error) {
    if (!(error instanceof LastAdminError)) throw error;
    console.error(`${email} stays an admin: ${error.message}`);
    process.exitCode = 1;
  }
}

function report(
  which: keyof typeof COMMANDS,
  email: string,
  account: ChangedAccount | null,
  { emailVerification }: AppConfig,
): void {
  if (!account) {
    console.error(`Nobody has registered as ${email}.`);
    process.exitCode = 1;
    return;
  }
  console.log(`${email} ${COMMANDS[which].outcome}`);
  if (which !== 'revoke' && account.isDisabled) {
    console.log(`But the account is disabled, and cannot log in: npm run ${ENABLE.name} -- ${email}`);
  }
  if (which !== 'revoke' && !account.isVerified && emailVerification === 'required') {
    console.log(`But the address is not confirmed, which EMAIL_VERIFICATION asks for, so it cannot log in.`);
  }
}

interface ChangedAccount {
  readonly isDisabled: boolean;
  readonly isVerified: boolean;
}

/** How the account is then; null if there is none. What was so before leaves no line in the audit trail. */
async function change(transaction: Transaction, command: AdminCommand, email: string): Promise<ChangedAccount | null> {
  const found = await transaction.query<{ id: string }>(sql`SELECT id FROM users WHERE email = ${email}`);
  const [user] = found.rows;
  if (!user) {
    return null;
  }
  if (command === REVOKE) {
    await requireAnotherAdmin(transaction, user.id);
  }
  // An incident may be about a role. What it matches with the former one would be trusted again with the new one, and the
  // other way round once it is over. None begins before this is committed.
  await transaction.query(sql`LOCK TABLE incidents IN SHARE MODE`);
  await endOfIncidents(transaction, user.id);
  await transaction.query(
    sql`WITH changed AS (${command.change(user.id)})
        INSERT INTO audit_events (type, outcome, user_id, reason) SELECT type, 'success', ${user.id}, reason FROM changed`,
  );
  await endOfIncidents(transaction, user.id);
  const { rows } = await transaction.query<{ isDisabled: boolean; isVerified: boolean }>(
    sql`SELECT disabled_at IS NOT NULL AS "isDisabled", email_verified_at IS NOT NULL AS "isVerified"
        FROM users WHERE id = ${user.id}`,
  );
  return rows[0] ?? null;
}

/** Revokes what open incidents match of an account. */
async function endOfIncidents(transaction: Transaction, userId: string): Promise<void> {
  await transaction.query(
    sql`WITH ${revokeRows(sql`s.user_id = ${userId} AND ${IS_IN_OPEN_INCIDENT}`, BY_THE_SERVICE, INCIDENT_REASON, null)}
        SELECT FROM revoked`,
  );
}
