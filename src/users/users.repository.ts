import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Not, Repository } from 'typeorm';
import type { Position } from '../http/cursor.js';
import type { Transaction } from '../database/transactions.js';
import { UNDO_DAYS } from './email-change.entity.js';
import { NO_PASSWORD, User } from './user.entity.js';

/** What became of an account's address. */
export interface ReplacedEmail {
  readonly former: string;
  /** Whether the account went back to an address that it had until a week ago. */
  readonly isReturn: boolean;
}

// A change of address that its former owner can still undo.
const UNDOABLE = `changed_at > now() - interval '${UNDO_DAYS} days'`;

@Injectable()
export class UsersRepository {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** Null if there is no such account. The e-mail must be normalised. */
  findByEmail(email: string): Promise<User | null> {
    return this.users.findOneBy({ email });
  }

  /**
   * The new account's id. Null if the e-mail is taken, or was another account's until a week ago: of parallel calls with
   * one e-mail, exactly one gets the account.
   */
  async create(
    transaction: Transaction,
    { email, name, passwordHash }: Pick<User, 'email' | 'name' | 'passwordHash'>,
  ): Promise<string | null> {
    const [row] = await transaction.query<{ id: string }[]>(
      `INSERT INTO users (email, name, password_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id`,
      [email, name, passwordHash],
    );
    return row ? this.unlessReserved(transaction, row.id, email) : null;
  }

  /**
   * Makes an account, or finds one that was never confirmed nor used. Registered a second time it loses its password and
   * name, since either may be a stranger's: whoever confirms the address chooses the password. Its id, or null as
   * {@link create}.
   */
  async createUnconfirmed(
    transaction: Transaction,
    { email, name, passwordHash }: Pick<User, 'email' | 'name' | 'passwordHash'>,
  ): Promise<string | null> {
    const [row] = await transaction.query<{ id: string }[]>(
      `INSERT INTO users AS u (email, name, password_hash) VALUES ($1, $2, $3)
       ON CONFLICT (email) DO UPDATE SET name = NULL, password_hash = '${NO_PASSWORD}'
         WHERE u.email_verified_at IS NULL AND u.disabled_at IS NULL
           AND NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id)
       RETURNING id`,
      [email, name, passwordHash],
    );
    return row ? this.unlessReserved(transaction, row.id, email) : null;
  }

  /**
   * Sets another password, and locks the user's row until the transaction ends. False if the user is gone or disabled,
   * or, where a current hash is given, that is no longer the one.
   */
  async setPassword(
    transaction: Transaction,
    id: string,
    passwordHash: string,
    currentHash: string | null,
  ): Promise<boolean> {
    const [, count] = await transaction.query<[unknown[], number]>(
      `UPDATE users SET password_hash = $2
       WHERE id = $1 AND disabled_at IS NULL AND ($3::text IS NULL OR password_hash = $3)`,
      [id, passwordHash, currentHash],
    );
    return count > 0;
  }

  /** Accounts whose e-mail starts with this, newest first. One more than the limit, if there are more. */
  async search(prefix: string, { after, limit }: { after?: Position; limit: number }): Promise<User[]> {
    const query = this.users
      .createQueryBuilder('u')
      .where('starts_with(u.email, :prefix)', { prefix })
      .orderBy('u.createdAt', 'DESC')
      .addOrderBy('u.id', 'DESC');
    if (after) query.andWhere('(u.createdAt, u.id) < (:at, :id::uuid)', { at: after.createdAt, id: after.id });
    return query.take(limit + 1).getMany();
  }

  /** Null if there is no such account. */
  findById(id: string): Promise<User | null> {
    return this.users.findOneBy({ id });
  }

  /** Disables or enables, and locks the user's row. False if it was so before, or there is no such account. */
  async setDisabled(transaction: Transaction, id: string, isDisabled: boolean): Promise<boolean> {
    const [, count] = await transaction.query<[unknown[], number]>(
      `UPDATE users SET disabled_at = CASE WHEN $2 THEN now() END WHERE id = $1 AND (disabled_at IS NOT NULL) <> $2`,
      [id, isDisabled],
    );
    return count > 0;
  }

  /** Locks a user's row, if their password is the one that was verified and they are not disabled. */
  async lock(transaction: Transaction, id: string, passwordHash: string): Promise<boolean> {
    const rows = await transaction.query<unknown[]>(
      `SELECT FROM users WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL FOR UPDATE`,
      [id, passwordHash],
    );
    return rows.length > 0;
  }

  /** Removes an account, and with it its sessions and known devices. */
  async delete(transaction: Transaction, id: string): Promise<void> {
    await transaction.query('DELETE FROM users WHERE id = $1', [id]);
  }

  /** Notes that a user reads an address. False if it is not their address any more. */
  async setVerified(transaction: Transaction, id: string, email: string): Promise<boolean> {
    const [, count] = await transaction.query<[unknown[], number]>(
      `UPDATE users SET email_verified_at = coalesce(email_verified_at, now()) WHERE id = $1 AND email = $2`,
      [id, email],
    );
    return count > 0;
  }

  /** Takes an account's password away: none is right until one is set by a link that was mailed. */
  async withdrawPassword(transaction: Transaction, id: string): Promise<void> {
    await transaction.query(`UPDATE users SET password_hash = '${NO_PASSWORD}' WHERE id = $1`, [id]);
  }

  /** Whether an account has a password. */
  hasPassword(id: string): Promise<boolean> {
    return this.users.existsBy({ id, passwordHash: Not(NO_PASSWORD) });
  }

  /**
   * Gives an account another address, which its owner has proved to read, and notes the former one. Null if the account
   * is gone or disabled. Throws the driver's unique violation where somebody else has the address.
   *
   * @param sessionId the session that asked for it
   */
  async setEmail(
    transaction: Transaction,
    id: string,
    email: string,
    sessionId: string,
  ): Promise<ReplacedEmail | null> {
    const former = await this.replaceEmail(transaction, id, email);
    if (former === null) {
      return null;
    }
    // Going back to an address of this week is no change of its own, and nobody can undo it.
    const isReturn = await this.forgetChanges(transaction, id, email, null);
    if (!isReturn) {
      await transaction.query(
        `INSERT INTO email_changes (user_id, former, session_id) VALUES ($1, $2, $3)
         ON CONFLICT (user_id, former) DO UPDATE SET session_id = excluded.session_id, changed_at = excluded.changed_at`,
        [id, former, sessionId],
      );
    }
    return { former, isReturn };
  }

  /**
   * Gives an account the address back that it had until a change of the last week, and undoes every later one. The
   * address it had meanwhile, or null if there is no such change. Throws as {@link setEmail}.
   *
   * @param sessionId the session that must have asked for the change; null for any
   */
  async restoreEmail(
    transaction: Transaction,
    id: string,
    email: string,
    sessionId: string | null,
  ): Promise<string | null> {
    const isUndone = await this.forgetChanges(transaction, id, email, sessionId);
    return isUndone ? this.replaceEmail(transaction, id, email) : null;
  }

  /** Whether an address was an account's until a week ago, and is kept for it. */
  async isReserved(transaction: Transaction, email: string, exceptUserId: string): Promise<boolean> {
    const rows = await transaction.query<unknown[]>(
      `SELECT FROM email_changes WHERE former = $1 AND user_id <> $2 AND ${UNDOABLE} LIMIT 1`,
      [email, exceptUserId],
    );
    return rows.length > 0;
  }

  // After the insert, which waited for whoever was just giving the address up: a statement before it sees too little.
  private async unlessReserved(transaction: Transaction, id: string, email: string): Promise<string | null> {
    if (!(await this.isReserved(transaction, email, id))) {
      return id;
    }
    await this.delete(transaction, id);
    return null;
  }

  private async forgetChanges(
    transaction: Transaction,
    id: string,
    former: string,
    sessionId: string | null,
  ): Promise<boolean> {
    const [, count] = await transaction.query<[unknown[], number]>(
      `DELETE FROM email_changes WHERE user_id = $1 AND changed_at >= (
         SELECT changed_at FROM email_changes
         WHERE user_id = $1 AND former = $2 AND ($3::uuid IS NULL OR session_id = $3) AND ${UNDOABLE}
       )`,
      [id, former, sessionId],
    );
    return count > 0;
  }

  private async replaceEmail(transaction: Transaction, id: string, email: string): Promise<string | null> {
    const [[row]] = await transaction.query<[{ former: string }[], number]>(
      `UPDATE users u SET email = $2, email_verified_at = now()
       FROM (SELECT id, email FROM users WHERE id = $1 FOR UPDATE) former
       WHERE u.id = former.id AND u.disabled_at IS NULL RETURNING former.email AS former`,
      [id, email],
    );
    return row?.former ?? null;
  }

  /** Swaps one hash of a password for a stronger one of the same. Does nothing if the password changed meanwhile. */
  async replaceHash(id: string, currentHash: string, strongerHash: string): Promise<void> {
    await this.users.update({ id, passwordHash: currentHash }, { passwordHash: strongerHash });
  }
}
