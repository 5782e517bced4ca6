import type { Queryable } from '../database/transactions.js';
import { LastAdminError } from './users.errors.js';

/**
 * Lets an account be disabled, demoted or deleted only where that leaves an admin who is not disabled: nobody else could
 * undo it (AC-03). It locks the user's row, and with an admin's those of all others until the transaction ends, so that of
 * two who do it to each other one waits and is refused. Throws {@link LastAdminError}.
 */
export async function requireAnotherAdmin(transaction: Queryable, id: string): Promise<void> {
  const locked = await transaction.query<{ id: string; isEnabledAdmin: boolean }[]>(
    // In the order of their ids, so that no two of these wait for each other in a circle.
    `SELECT u.id, u.role = 'admin' AND u.disabled_at IS NULL AS "isEnabledAdmin" FROM users u
     WHERE u.id = ANY(ARRAY(
       SELECT $1::uuid
       UNION
       SELECT a.id FROM users a WHERE a.role = 'admin' AND EXISTS (SELECT FROM users WHERE id = $1 AND role = 'admin')
     ))
     ORDER BY u.id FOR NO KEY UPDATE`,
    [id],
  );
  const admins = locked.filter(({ isEnabledAdmin }) => isEnabledAdmin);
  if (admins.length === 1 && admins[0]?.id === id) {
    throw new LastAdminError();
  }
}
