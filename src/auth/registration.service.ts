import { Injectable } from '@nestjs/common';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import { RegistrationLimit } from '../limits/registration-limit.js';
import type { SessionGrant } from '../sessions/session-with-user.js';
import { type Device, SessionsService } from '../sessions/sessions.service.js';
import { EmailTakenError } from '../users/users.errors.js';
import { type NewAccount, type NewUser, UsersService } from '../users/users.service.js';
import { AddressConfirmation } from './address-confirmation.js';

/** Makes accounts. */
@Injectable()
export class RegistrationService {
  // Six: a registration makes a user and a session in one transaction, limited and confirmed by what is configured.
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly database: Database,
    private readonly limit: RegistrationLimit,
    private readonly confirmation: AddressConfirmation,
    private readonly config: AppConfig,
  ) {}

  /**
   * Makes an account and signs its first device in. Null where addresses must be confirmed first, and then a mail is on
   * its way, unless as many went there within the hour as may.
   * Throws `validation_failed` for a password we would not keep, `too_many_requests`, or `email_taken`.
   */
  async register(account: NewAccount, device: Device, source: RequestSource): Promise<SessionGrant | null> {
    // First, since a password that is refused makes no account and should use up no try.
    this.users.requireAcceptablePassword(account);
    await this.limit.consume(source);

    const passwordHash = await this.users.hash(account);
    const person = { ...account, passwordHash, language: device.language ?? null };
    if (!(await this.confirmation.allows(account.email, source))) {
      // Nothing happens, and the answer is the same whether or not the address is taken.
      return null;
    }
    return this.database.transaction((transaction) =>
      this.confirmation.isRequired
        ? this.askToConfirm(transaction, person)
        : this.admit(transaction, person, device, source),
    );
  }

  private async admit(
    transaction: Transaction,
    account: NewUser,
    device: Device,
    source: RequestSource,
  ): Promise<SessionGrant> {
    const id = await this.users.create(transaction, account);
    await this.confirmation.ask(transaction, id, account.email);
    const grant = await this.sessions.open(transaction, { ...account, id }, device, source);
    if (!grant) {
      throw new Error('An account that was made a moment ago is not there.');
    }
    return grant;
  }

  // The same for an address that is taken and for one that is not, where registering must not show which.
  private async askToConfirm(transaction: Transaction, account: NewUser): Promise<null> {
    const { email } = account;
    const userId = await this.users.createUnconfirmed(transaction, account);
    if (userId !== null) {
      await this.confirmation.askAgain(transaction, userId, email);
    } else if (this.config.disclosesRegistration) {
      throw new EmailTakenError();
    } else {
      await this.confirmation.mailAccountExists(transaction, email);
    }
    return null;
  }
}
