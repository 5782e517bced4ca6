import { Injectable } from '@nestjs/common';
import sql from 'sql-template-tag';
import { Not, Repository } from 'typeorm';
import { AppConfig } from '../config/config.js';
import { InjectOurRepository } from '../database/data-source.js';
import type { Transaction } from '../database/transaction.js';
import { codeOf } from '../problems/error-code.js';
import { FormerEmailsRepository, type ReplacedEmail } from './former-emails.repository.js';
import { PasswordHasher } from './password-hasher.js';
import { requireAcceptablePassword } from './password-policy.js';
import { NO_PASSWORD, User } from './user.entity.js';
import { EmailTakenError } from './users.errors.js';

const UNIQUE_VIOLATION = '23505';

export interface NewAccount {
  readonly email: string;
  readonly password: string;
  readonly name: string | null;
}

/** An account to make: its password is hashed. */
export type NewUser = Pick<User, 'email' | 'name' | 'passwordHash' | 'language'>;

/** The account a password was checked for, whether or not it was the right one. */
export interface Verification {
  readonly isRight: boolean;
  /** Null for an e-mail that no account has. */
  readonly user: User | null;
}

/** Accounts and their passwords. E-mails must be normalised. */
@Injectable()
export class UsersService {
  constructor(
    @InjectOurRepository(User) private readonly users: Repository<User>,
    private readonly formerEmails: FormerEmailsRepository,
    private readonly passwords: PasswordHasher,
    private readonly config: AppConfig,
  ) {}

  /** Null if there is no such account. */
  findById(id: string): Promise<User | null> {
    return this.users.findOneBy({ id });
  }

  /**
   * Makes an account, and returns its id. Throws `email_taken`, also for an e-mail that was another account's until a week
   * ago: of parallel calls with one e-mail, exactly one gets the account.
   */
  async create(transaction: Transaction, { email, name, passwordHash, language }: NewUser): Promise<string> {
    const { rows } = await transaction.query<{ id: string }>(
      sql`INSERT INTO users (email, name, password_hash, language)
          VALUES (${email}, ${name}, ${passwordHash}, ${language}) ON CONFLICT DO NOTHING RETURNING id`,
    );
    const id = rows[0] ? await this.unlessReserved(transaction, rows[0].id, email) : null;
    if (id === null) {
      throw new EmailTakenError();
    }
    await recordCreated(transaction, id);
    return id;
  }

  /**
   * Makes an account, or finds one that was never confirmed nor used. Registered a second time it loses its password and
   * name, since either may come from another person: the one who confirms the address chooses the password. Its id, or null
   * where {@link create} throws.
   */
  async createUnconfirmed(
    transaction: Transaction,
    { email, name, passwordHash, language }: NewUser,
  ): Promise<string | null> {
    const { rows } = await transaction.query<{ id: string; isNew: boolean }>(
      sql`INSERT INTO users AS u (email, name, password_hash, language)
          VALUES (${email}, ${name}, ${passwordHash}, ${language})
          ON CONFLICT (email) DO UPDATE SET name = NULL, password_hash = ${NO_PASSWORD}
            WHERE u.email_verified_at IS NULL AND u.disabled_at IS NULL
              AND NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id)
          RETURNING id, xmax = 0 AS "isNew"`,
    );
    const [found] = rows;
    const id = found ? await this.unlessReserved(transaction, found.id, email) : null;
    if (id !== null && found?.isNew) {
      await recordCreated(transaction, id);
    }
    return id;
  }

  /** Deletes an account, and with it its sessions and known devices. */
  async delete(transaction: Transaction, id: string): Promise<void> {
    await transaction.query(sql`DELETE FROM users WHERE id = ${id}`);
  }

  /** Disables or enables, and locks the user's row. False if it was so before, or there is no such account. */
  async setDisabled(transaction: Transaction, id: string, isDisabled: boolean): Promise<boolean> {
    const { rowCount } = await transaction.query(
      sql`UPDATE users SET disabled_at = CASE WHEN ${isDisabled} THEN now() END
          WHERE id = ${id} AND (disabled_at IS NOT NULL) <> ${isDisabled}`,
    );
    return rowCount > 0;
  }

  /**
   * Locks the row of the user with this id or e-mail, for a change that logins under way must wait for. Returns their id, or
   * null where there is no such account.
   *
   * @param email normalised
   */
  async lockFound(transaction: Transaction, which: { id: string } | { email: string }): Promise<string | null> {
    const condition = 'id' in which ? sql`id = ${which.id}` : sql`email = ${which.email}`;
    const { rows } = await transaction.query<{ id: string }>(
      sql`SELECT id FROM users WHERE ${condition} FOR NO KEY UPDATE`,
    );
    return rows[0]?.id ?? null;
  }

  /** Locks a user's row, if their password is the one that was verified and they are not disabled. */
  async lock(transaction: Transaction, id: string, passwordHash: string): Promise<boolean> {
    const { rowCount } = await transaction.query(
      sql`SELECT FROM users WHERE id = ${id} AND password_hash = ${passwordHash} AND disabled_at IS NULL FOR UPDATE`,
    );
    return rowCount > 0;
  }

  /** Throws `validation_failed`, with the reason, for a password that may not be set. */
  requireAcceptablePassword({ email, password }: Pick<NewAccount, 'email' | 'password'>, field = 'password'): void {
    requireAcceptablePassword(password, { email, minLength: this.config.passwordMinLength, field });
  }

  /** The hash to keep for a password. Throws as {@link requireAcceptablePassword} does. */
  async hash(account: Pick<NewAccount, 'email' | 'password'>, field = 'password'): Promise<string> {
    this.requireAcceptablePassword(account, field);
    return this.passwords.hash(account.password);
  }

  /**
   * Checks a password. Unknown e-mail, wrong password and disabled account take the same time, since as much is always
   * hashed. A hash that is weaker than today's is replaced when the password is right.
   */
  async verify(email: string, password: string): Promise<Verification> {
    const user = await this.users.findOneBy({ email });
    const isRight = await this.passwords.verify(password, user?.passwordHash === NO_PASSWORD ? null : user);
    if (!user || !isRight || user.disabledAt) {
      return { isRight: false, user };
    }
    return { isRight: true, user: await this.withCurrentHash(user, password) };
  }

  /** Whether an account has a password. */
  hasPassword(id: string): Promise<boolean> {
    return this.users.existsBy({ id, passwordHash: Not(NO_PASSWORD) });
  }

  /**
   * Sets another password, and locks the user's row until the transaction ends. False if the user is deleted or disabled,
   * or, where a current hash is given, that is no longer the one.
   */
  async setPassword(
    transaction: Transaction,
    { id, passwordHash }: Pick<User, 'id' | 'passwordHash'>,
    currentHash: string | null,
  ): Promise<boolean> {
    const { rowCount } = await transaction.query(
      sql`UPDATE users SET password_hash = ${passwordHash}
          WHERE id = ${id} AND disabled_at IS NULL AND (${currentHash}::text IS NULL OR password_hash = ${currentHash})`,
    );
    return rowCount > 0;
  }

  /** Takes an account's password away: none is right until one is set by a link that was mailed. */
  async withdrawPassword(transaction: Transaction, id: string): Promise<void> {
    await transaction.query(sql`UPDATE users SET password_hash = ${NO_PASSWORD} WHERE id = ${id}`);
  }

  /** Records that a user reads an address. False if it is not their address any more. */
  async setVerified(transaction: Transaction, id: string, email: string): Promise<boolean> {
    const { rowCount } = await transaction.query(
      sql`UPDATE users SET email_verified_at = coalesce(email_verified_at, now()) WHERE id = ${id} AND email = ${email}`,
    );
    return rowCount > 0;
  }

  /** See {@link FormerEmailsRepository.replace}. Throws `email_taken`, also for an address that is kept for another account. */
  async setEmail(
    transaction: Transaction,
    id: string,
    email: string,
    sessionId: string,
  ): Promise<ReplacedEmail | null> {
    const replaced = await unlessTaken(this.formerEmails.replace(transaction, id, email, sessionId));
    if (await this.formerEmails.isReserved(transaction, email, id)) {
      throw new EmailTakenError();
    }
    return replaced;
  }

  /** See {@link FormerEmailsRepository.restore}. Throws `email_taken`. */
  restoreEmail(transaction: Transaction, id: string, email: string, sessionId: string | null): Promise<string | null> {
    return unlessTaken(this.formerEmails.restore(transaction, id, email, sessionId));
  }

  // After the insert, which waited for the account that was just giving the address up: an earlier statement would not
  // see that.
  private async unlessReserved(transaction: Transaction, id: string, email: string): Promise<string | null> {
    if (!(await this.formerEmails.isReserved(transaction, email, id))) {
      return id;
    }
    await this.delete(transaction, id);
    return null;
  }

  // Changes nothing in the database where the password was changed meanwhile.
  private async withCurrentHash(user: User, password: string): Promise<User> {
    if (!this.passwords.isOutdated(user.passwordHash)) {
      return user;
    }
    const passwordHash = await this.passwords.hash(password);
    await this.users.update({ id: user.id, passwordHash: user.passwordHash }, { passwordHash });
    return { ...user, passwordHash };
  }
}

async function unlessTaken<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    throw codeOf(error) === UNIQUE_VIOLATION ? new EmailTakenError() : error;
  }
}

/** In the audit trail, from which others hear of it. */
async function recordCreated(transaction: Transaction, id: string): Promise<void> {
  await transaction.query(
    sql`INSERT INTO audit_events (type, outcome, user_id) VALUES ('user_created', 'success', ${id})`,
  );
}
