import { Injectable } from '@nestjs/common';
import { TooManyRequestsError } from '../problems/problem.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { type KeyedLimit, type SignedIn } from './keyed-limit.js';
import { Limiters } from './limiters.js';
import { accountKey } from './limiter.js';
import { networkOf } from './network.js';

const HOUR_SECONDS = 3600;
const MINUTE_SECONDS = 60;

/** Bounds how often a mail with a token is asked for, and how often such tokens are tried. */
@Injectable()
export class MailedTokenLimit {
  private readonly recipients: KeyedLimit;
  private readonly askers: KeyedLimit;
  private readonly changes: KeyedLimit;
  private readonly tries: KeyedLimit;

  constructor(limiters: Limiters, config: AppConfig) {
    this.recipients = limiters.createKeyed({
      event: 'password_reset_throttled',
      name: 'token_mail_account',
      counts: 'account',
      points: config.tokenMailsPerAccount,
      setting: config.settingToName('TOKEN_MAILS_PER_ACCOUNT'),
      windowSeconds: HOUR_SECONDS,
    });
    this.askers = limiters.createKeyed({
      event: 'password_reset_throttled',
      name: 'token_mail_address',
      counts: 'address',
      points: config.tokenMailsPerAddress,
      setting: config.settingToName('TOKEN_MAILS_PER_ADDRESS'),
      windowSeconds: HOUR_SECONDS,
    });
    this.changes = limiters.createKeyed({
      event: 'email_change_throttled',
      name: 'email_change_account',
      counts: 'account',
      points: config.tokenMailsPerAccount,
      setting: config.settingToName('TOKEN_MAILS_PER_ACCOUNT'),
      windowSeconds: HOUR_SECONDS,
    });
    this.tries = limiters.createKeyed({
      event: 'mailed_token_throttled',
      name: 'mailed_token_address',
      counts: 'address',
      points: config.mailedTokensPerAddress,
      setting: config.settingToName('MAILED_TOKENS_PER_ADDRESS'),
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /**
   * Counts a request for a mail to an address, whether or not an account has it: by where it comes from, and by where the
   * mail goes. Throws `too_many_requests` beyond either limit.
   *
   * @param email normalised
   */
  async consumeMail(email: string, source: RequestSource): Promise<void> {
    await this.askers.consume(networkOf(source.ip), source);
    await this.recipients.consume(accountKey(email), source);
  }

  /** The same for an account that asks for mails to other addresses: its own requests count too, wherever they go. */
  async consumeChange(email: string, caller: SignedIn, source: RequestSource): Promise<void> {
    await this.changes.consume(caller.userId, source, caller);
    await this.consumeMail(email, source);
  }

  /**
   * The same for staff who have a mail sent to a user, by where it goes alone. What is asked for without a login does not
   * count.
   */
  async consumeStaffMail(email: string, staff: SignedIn, source: RequestSource): Promise<void> {
    await this.recipients.consume(accountKey(`staff ${email}`), source, staff);
  }

  /**
   * Counts a mail to an address where the answer must not reveal that no more mails are sent: false beyond the limit.
   *
   * @param email normalised
   */
  async allowsMail(email: string, source: RequestSource): Promise<boolean> {
    try {
      await this.recipients.consume(accountKey(email), source);
      return true;
    } catch (error) {
      if (error instanceof TooManyRequestsError) return false;
      throw error;
    }
  }

  /** Counts a try of a token. Throws `too_many_requests` beyond the limit. */
  async consumeTry(source: RequestSource): Promise<void> {
    await this.tries.consume(networkOf(source.ip), source);
  }
}
