import { Injectable } from '@nestjs/common';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import type { Transaction } from '../database/transaction.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { Outbox } from '../mail/outbox.js';

/** The mail by which a new account confirms its address, where the configuration asks for it. */
@Injectable()
export class AddressConfirmation {
  constructor(
    private readonly limit: MailedTokenLimit,
    private readonly outbox: Outbox,
    private readonly tokens: MailedTokens,
    private readonly config: AppConfig,
  ) {}

  /** Whether an account has no session before its address is confirmed. */
  get isRequired(): boolean {
    return this.config.emailVerification === 'required';
  }

  /**
   * Whether a registration may go on: where its only answer is a mail, as many go to an address within the hour as may. Where
   * it signs in, an address gets one of these mails at most.
   */
  async allows(email: string, source: RequestSource): Promise<boolean> {
    return !this.isRequired || this.limit.allowsMail(email, source);
  }

  /** Mails a link to a new account, unless addresses are not confirmed at all. */
  async ask(transaction: Transaction, userId: string, email: string): Promise<void> {
    if (this.config.emailVerification !== 'off') {
      await this.outbox.add(transaction, { kind: 'email_verification', recipient: email, userId });
    }
  }

  /** Mails a new link, and withdraws those that were mailed before. */
  async askAgain(transaction: Transaction, userId: string, email: string): Promise<void> {
    await this.tokens.withdraw(transaction, userId, ['email_verification']);
    await this.ask(transaction, userId, email);
  }

  /** Mails an address that it has an account already. */
  async mailAccountExists(transaction: Transaction, email: string): Promise<void> {
    await this.outbox.addFor(transaction, 'account_exists', email);
  }
}
