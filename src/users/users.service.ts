import { Injectable } from '@nestjs/common';
import type { Position } from '../http/cursor.js';
import { codeOf } from '../problems/error-code.js';
import { AppConfig } from '../config/config.js';
import type { Transaction } from '../database/transactions.js';
import { PasswordHasher } from './password-hasher.js';
import { requireAcceptablePassword } from './password-policy.js';
import { NO_PASSWORD, type User } from './user.entity.js';
import { EmailTakenError } from './users.errors.js';
import { type ReplacedEmail, UsersRepository } from './users.repository.js';

const UNIQUE_VIOLATION = '23505';

export interface NewAccount {
  readonly email: string;
  readonly password: string;
  readonly name: string | null;
}

/** Who a password belongs to, whether or not it was the right one. */
export interface Verification {
  readonly isRight: boolean;
  /** Null for an e-mail nobody has. */
  readonly user: User | null;
}

/** Accounts and their passwords. */
@Injectable()
export class UsersService {
  constructor(
    private readonly users: UsersRepository,
    private readonly passwords: PasswordHasher,
    private readonly config: AppConfig,
  ) {}

  /** Throws `validation_failed`, with the reason, for a password we would not keep. */
  requireAcceptablePassword({ email, password }: Pick<NewAccount, 'email' | 'password'>, field = 'password'): void {
    requireAcceptablePassword(password, { email, minLength: this.config.passwordMinLength, field });
  }

  /** The hash to keep for a password. Throws as {@link requireAcceptablePassword} does. */
  async hash(account: Pick<NewAccount, 'email' | 'password'>, field = 'password'): Promise<string> {
    this.requireAcceptablePassword(account, field);
    return this.passwords.hash(account.password);
  }

  /** Makes an account. Throws `email_taken`. */
  async create(transaction: Transaction, account: Pick<User, 'email' | 'name' | 'passwordHash'>): Promise<string> {
    const id = await this.users.create(transaction, account);
    if (id === null) {
      throw new EmailTakenError();
    }
    return id;
  }

  /** See {@link UsersRepository.setPassword}. */
  setPassword(
    transaction: Transaction,
    { id, passwordHash }: Pick<User, 'id' | 'passwordHash'>,
    currentHash: string | null,
  ): Promise<boolean> {
    return this.users.setPassword(transaction, id, passwordHash, currentHash);
  }

  /** See {@link UsersRepository.createUnconfirmed}. */
  createUnconfirmed(
    transaction: Transaction,
    account: Pick<User, 'email' | 'name' | 'passwordHash'>,
  ): Promise<string | null> {
    return this.users.createUnconfirmed(transaction, account);
  }

  /** Accounts whose e-mail starts with this, one page, and whether more follow. */
  async search(
    prefix: string,
    page: { after?: Position; limit: number },
  ): Promise<{ users: User[]; hasMore: boolean }> {
    const users = await this.users.search(prefix, page);
    return { users: users.slice(0, page.limit), hasMore: users.length > page.limit };
  }

  /** Null if there is no such account. */
  findById(id: string): Promise<User | null> {
    return this.users.findById(id);
  }

  /** See {@link UsersRepository.setDisabled}. */
  setDisabled(transaction: Transaction, id: string, isDisabled: boolean): Promise<boolean> {
    return this.users.setDisabled(transaction, id, isDisabled);
  }

  /** See {@link UsersRepository.lock}. */
  lock(transaction: Transaction, id: string, passwordHash: string): Promise<boolean> {
    return this.users.lock(transaction, id, passwordHash);
  }

  /** See {@link UsersRepository.delete}. */
  delete(transaction: Transaction, id: string): Promise<void> {
    return this.users.delete(transaction, id);
  }

  /** See {@link UsersRepository.setVerified}. */
  setVerified(transaction: Transaction, id: string, email: string): Promise<boolean> {
    return this.users.setVerified(transaction, id, email);
  }

  /** See {@link UsersRepository.setEmail}. Throws `email_taken`, also for an address that is kept for another account. */
  async setEmail(
    transaction: Transaction,
    id: string,
    email: string,
    sessionId: string,
  ): Promise<ReplacedEmail | null> {
    const replaced = await unlessTaken(this.users.setEmail(transaction, id, email, sessionId));
    if (await this.users.isReserved(transaction, email, id)) {
      throw new EmailTakenError();
    }
    return replaced;
  }

  /** See {@link UsersRepository.restoreEmail}. Throws `email_taken`. */
  restoreEmail(transaction: Transaction, id: string, email: string, sessionId: string | null): Promise<string | null> {
    return unlessTaken(this.users.restoreEmail(transaction, id, email, sessionId));
  }

  /** See {@link UsersRepository.hasPassword}. */
  hasPassword(id: string): Promise<boolean> {
    return this.users.hasPassword(id);
  }

  /** See {@link UsersRepository.withdrawPassword}. */
  withdrawPassword(transaction: Transaction, id: string): Promise<void> {
    return this.users.withdrawPassword(transaction, id);
  }

  /**
   * Checks a password. Unknown e-mail, wrong password and disabled account take the same time, since as much is always
   * hashed. A hash that is weaker than today's is replaced when the password is right.
   */
  async verify(email: string, password: string): Promise<Verification> {
    const user = await this.users.findByEmail(email);
    const isRight = await this.passwords.verify(password, user?.passwordHash === NO_PASSWORD ? null : user);
    if (!user || !isRight || user.disabledAt) {
      return { isRight: false, user };
    }
    return { isRight: true, user: await this.withCurrentHash(user, password) };
  }

  private async withCurrentHash(user: User, password: string): Promise<User> {
    if (!this.passwords.isOutdated(user.passwordHash)) {
      return user;
    }
    const passwordHash = await this.passwords.hash(password);
    await this.users.replaceHash(user.id, user.passwordHash, passwordHash);
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
