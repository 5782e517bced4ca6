import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { configOfProcess } from '../config/environment.js';
import { runOnDatabase } from '../database/command.js';
import { databaseOptions } from '../database/database-options.js';
import { nameOf } from '../database/unreachable.js';
import { StartError } from '../problems/start-error.js';
import { RestoredBackup, type RestoredContent, type Settled } from './restored-backup.js';
import { mayGoOn } from './confirmation.js';

const USAGE = `Say: npm run database:restored, with -- --yes where nobody is there to ask, and with -- --withdraw-passwords
where everybody is to set a new password`;

// After a restore from a backup: ends every session that the database has, and what else was ended since the backup and would
// live again: npm run database:restored. The process ends with 0 where that was done, 1 where it was not, 2 where it was not
// asked for as it should be.
async function main(): Promise<void> {
  const options = readOptions();
  if (!options) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  await runOnDatabase(configOfProcess(), async (database, config) => {
    const backup = new RestoredBackup(database, config);
    const content = await backup.describe();
    console.log(whatIsAsked(nameOf(databaseOptions(config)), content, options.withdrawsPasswords));
    if (!(await mayGoOn(options.isSure))) {
      return;
    }
    const done = await backup.settle(options.withdrawsPasswords, (sessions) => {
      if (sessions > 0 && sessions % 10_000 === 0) console.log(`${sessions} sessions …`);
    });
    console.log(whatWasDone(done));
    console.log(whatIsNotKnown(content, options.withdrawsPasswords));
  });
}

/** Null where it is not clear what is asked. */
function readOptions(): { isSure: boolean; withdrawsPasswords: boolean } | null {
  try {
    const { values } = parseArgs({
      options: { yes: { type: 'boolean' }, 'withdraw-passwords': { type: 'boolean' } },
    });
    const isSure = values.yes === true;
    return isSure || process.stdin.isTTY ? { isSure, withdrawsPasswords: values['withdraw-passwords'] === true } : null;
  } catch {
    return null;
  }
}

function whatIsAsked(name: string, { servedUntil, sessions }: RestoredContent, withdrawsPasswords: boolean): string {
  const until = servedUntil ? `By what it has, it was served until ${servedUntil.toISOString()}.` : '';
  const count = sessions > 100_000 ? 'more than 100000' : String(sessions);
  return [
    `The database ${name} was restored from a backup. ${until}`,
    `This ends every session in it (${count} are open), withdraws mailed links, and replaces the signing keys.`,
    withdrawsPasswords
      ? 'Every account loses its password: people set a new one by "Forgot your password?".'
      : 'Everybody has to log in again, with the password of the backup.',
  ].join('\n');
}

const countOf = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

function whatWasDone({ sessions, links, keys, passwords }: Settled): string {
  return [
    `Ended ${countOf(sessions, 'session')}.`,
    `Withdrew ${countOf(links, 'mailed link')}.`,
    keys === null
      ? 'There are no keys under JWT_ALGORITHM=HS256: where JWT_SECRET leaked since the backup, replace it.'
      : `Replaced ${countOf(keys, 'signing key')}.`,
    ...(passwords === null ? [] : [`Withdrew ${countOf(passwords, 'password')}.`]),
    'Instances serve again within a second; those that did not start can be started now.',
  ].join('\n');
}

/** What a backup does not have, nobody can read from it: what is in it is listed, for the operator to compare. */
function whatIsNotKnown({ servedUntil, admins, clients }: RestoredContent, hasWithdrawnPasswords: boolean): string {
  const listOf = (items: readonly string[]) =>
    items.length > 0 ? items.map((item) => `  ${item}`).join('\n') : '  none';
  return `
What was done after the backup is not in it, and cannot be known from it:
- ${hasWithdrawnPasswords ? 'No password of the backup works any more.' : 'Passwords that were changed since are those from before again, also where they had leaked. Run this again with\n  -- --withdraw-passwords, or tell the people.'}
- Accounts that were disabled or deleted since are enabled again: disable them (POST /admin/users/{id}/disable).
- Addresses that were changed since are the former ones again, and accounts that were made since are gone.
- Admins that were revoked since are admins again (npm run admin:revoke -- EMAIL). Admins are now:
${listOf(admins)}
- Service clients and secrets that were ended since may call again (DELETE /admin/clients/{id}). They are now:
${listOf(clients.map(({ id, name, secrets }) => `${id} ${name}, ${countOf(secrets, 'secret')}`))}
Where the former database, or an export of its audit trail, can still be read, it says all of that:
  SELECT at, type, user_id, actor_id, reason, note FROM audit_events WHERE at > '${servedUntil?.toISOString() ?? 'the time of the backup'}' AND type IN
    ('password_changed', 'password_reset', 'user_disabled', 'account_deleted', 'email_changed', 'role_revoked',
     'service_client_ended', 'service_client_secret_ended', 'session_disowned') ORDER BY at;`;
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError ? error.message : error);
  process.exitCode = 1;
});
