import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import type { Position } from '../common/cursor.js';
import type { Transaction } from '../database/transactions.js';
import { User } from './user.entity.js';

@Injectable()
export class UsersRepository {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** Null if there is no such account. The e-mail must be normalised. */
  findByEmail(email: string): Promise<User | null> {
    return this.users.findOneBy({ email });
  }

  /** The new account's id. Null if the e-mail is taken: of parallel calls with one e-mail, exactly one gets the account. */
  async create(
    transaction: Transaction,
    { email, name, passwordHash }: Pick<User, 'email' | 'name' | 'passwordHash'>,
  ): Promise<string | null> {
    const [row] = await transaction.query<{ id: string }[]>(
      `INSERT INTO users (email, name, password_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id`,
      [email, name, passwordHash],
    );
    return row?.id ?? null;
  }

  /**
   * Makes an account, or makes one over that was never confirmed nor used: whoever registers last has the link that
   * works. Its id, or null if the e-mail belongs to somebody.
   */
  async createUnconfirmed(
    transaction: Transaction,
    { email, name, passwordHash }: Pick<User, 'email' | 'name' | 'passwordHash'>,
  ): Promise<string | null> {
    const [row] = await transaction.query<{ id: string }[]>(
      `INSERT INTO users AS u (email, name, password_hash) VALUES ($1, $2, $3)
       ON CONFLICT (email) DO UPDATE SET name = excluded.name, password_hash = excluded.password_hash
         WHERE u.email_verified_at IS NULL AND u.disabled_at IS NULL
           AND NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id)
       RETURNING id`,
      [email, name, passwordHash],
    );
    return row?.id ?? null;
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

  /**
   * Gives an account another address, which its owner has proved to read. The former one, or null if the account is gone
   * or disabled. Throws the driver's unique violation where somebody else has the address.
   */
  async setEmail(transaction: Transaction, id: string, email: string): Promise<string | null> {
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
