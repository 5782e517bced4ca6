import { Injectable } from '@nestjs/common';
import sql, { type Sql } from 'sql-template-tag';
import type { Transaction } from '../database/transaction.js';
import { UNDO_DAYS } from './email-change.entity.js';

/** What became of an account's address. */
export interface ReplacedEmail {
  readonly former: string;
  /** Whether the account went back to an address that it had until a week ago. */
  readonly isReturn: boolean;
}

// A change of address that its former owner can still undo.
const isUndoable = (): Sql => sql`changed_at > now() - make_interval(days => ${UNDO_DAYS})`;

/** The addresses of accounts, and those they had until a week ago, which their owners can take back. */
@Injectable()
export class FormerEmailsRepository {
  /** Whether an address was another account's until a week ago, and is kept for it. */
  async isReserved(transaction: Transaction, email: string, exceptUserId: string): Promise<boolean> {
    const { rowCount } = await transaction.query(
      sql`SELECT FROM email_changes WHERE former = ${email} AND user_id <> ${exceptUserId} AND ${isUndoable()} LIMIT 1`,
    );
    return rowCount > 0;
  }

  /**
   * Gives an account another address, which its owner has proved to read, and keeps the former one. Null if the account is
   * deleted or disabled. Throws the driver's unique violation where another account has the address.
   *
   * @param sessionId the session that asked for it
   */
  async replace(transaction: Transaction, id: string, email: string, sessionId: string): Promise<ReplacedEmail | null> {
    const former = await this.setEmail(transaction, id, email);
    if (former === null) {
      return null;
    }
    // Going back to an address of this week is no change of its own, and cannot be undone.
    const isReturn = await this.deleteSince(transaction, id, email, null);
    if (!isReturn) {
      await transaction.query(
        sql`INSERT INTO email_changes (user_id, former, session_id) VALUES (${id}, ${former}, ${sessionId})
            ON CONFLICT (user_id, former)
            DO UPDATE SET session_id = excluded.session_id, changed_at = excluded.changed_at`,
      );
    }
    return { former, isReturn };
  }

  /**
   * Gives an account the address back that it had until a change of the last week, and undoes every later one. The
   * address it had meanwhile, or null if there is no such change. Throws as {@link replace}.
   *
   * @param sessionId the session that must have asked for the change; null for any
   */
  async restore(transaction: Transaction, id: string, email: string, sessionId: string | null): Promise<string | null> {
    const isUndone = await this.deleteSince(transaction, id, email, sessionId);
    return isUndone ? this.setEmail(transaction, id, email) : null;
  }

  private async deleteSince(
    transaction: Transaction,
    id: string,
    former: string,
    sessionId: string | null,
  ): Promise<boolean> {
    const { rowCount } = await transaction.query(
      sql`DELETE FROM email_changes WHERE user_id = ${id} AND changed_at >= (
            SELECT changed_at FROM email_changes
            WHERE user_id = ${id} AND former = ${former}
              AND (${sessionId}::uuid IS NULL OR session_id = ${sessionId}) AND ${isUndoable()}
          )`,
    );
    return rowCount > 0;
  }

  private async setEmail(transaction: Transaction, id: string, email: string): Promise<string | null> {
    const { rows } = await transaction.query<{ former: string }>(
      sql`UPDATE users u SET email = ${email}, email_verified_at = now()
          FROM (SELECT id, email FROM users WHERE id = ${id} FOR UPDATE) former
          WHERE u.id = former.id AND u.disabled_at IS NULL RETURNING former.email AS former`,
    );
    return rows[0]?.former ?? null;
  }
}
