import sql from 'sql-template-tag';
import type { Queryable } from '../database/transaction.js';
import { LastAdminError } from './users.errors.js';

/**
 * Lets an account be disabled, demoted or deleted only where that leaves an admin who is not disabled: only an admin could
 * undo it (AC-03). It locks the user's row, and with an admin's those of all others until the transaction ends, so that of
 * two who do it to each other one waits and is refused. Throws {@link LastAdminError}.
 */
export async function requireAnotherAdmin(transaction: Queryable, id: string): Promise<void> {
  const { rows: locked } = await transaction.query<{ id: string; isEnabledAdmin: boolean }>(
    // In the order of their ids, so that no two of these wait for each other in a circle.
    sql`SELECT u.id, u.role = 'admin' AND u.disabled_at IS NULL AS "isEnabledAdmin" FROM users u
     WHERE u.id = ANY(ARRAY(
       SELECT ${id}::uuid
       UNION
       SELECT a.id FROM users a WHERE a.role = 'admin' AND EXISTS (SELECT FROM users WHERE id = ${id} AND role = 'admin')
     ))
     ORDER BY u.id FOR NO KEY UPDATE`,
  );
  const admins = locked.filter(({ isEnabledAdmin }) => isEnabledAdmin);
  if (admins.length === 1 && admins[0]?.id === id) {
    throw new LastAdminError();
  }
}
