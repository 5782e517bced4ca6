import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuditTrail } from '../audit/audit-trail.js';
import type { Caller } from '../http/caller.js';
import { TooManyRequestsError } from '../problems/problem.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { KeyedLimit } from './keyed-limit.js';
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

  constructor(
    @InjectDataSource() dataSource: DataSource,
    audit: AuditTrail,
    private readonly config: AppConfig,
  ) {
    this.recipients = new KeyedLimit(dataSource, audit, 'password_reset_throttled', {
      name: 'token_mail_account',
      counts: 'account',
      points: config.tokenMailsPerAccount,
      windowSeconds: HOUR_SECONDS,
    });
    this.askers = new KeyedLimit(dataSource, audit, 'password_reset_throttled', {
      name: 'token_mail_address',
      counts: 'address',
      points: config.tokenMailsPerAddress,
      windowSeconds: HOUR_SECONDS,
    });
    this.changes = new KeyedLimit(dataSource, audit, 'email_change_throttled', {
      name: 'email_change_account',
      counts: 'account',
      points: config.tokenMailsPerAccount,
      windowSeconds: HOUR_SECONDS,
    });
    this.tries = new KeyedLimit(dataSource, audit, 'mailed_token_throttled', {
      name: 'mailed_token_address',
      counts: 'address',
      points: config.mailedTokensPerAddress,
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /**
   * Counts a request for a mail to an address, whether or not anybody has it: by where it comes from, and by where the
   * mail goes. Throws `too_many_requests` beyond either limit.
   *
   * @param email normalised
   */
  async consumeMail(email: string, source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.askers.consume(networkOf(source.ip), source);
      await this.recipients.consume(accountKey(email), source);
    }
  }

  /** The same for an account that asks for mails to other addresses: its own requests count too, whomever they go to. */
  async consumeChange(email: string, caller: Caller, source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.changes.consume(caller.userId, source, caller);
      await this.consumeMail(email, source);
    }
  }

  /**
   * The same for staff who have a mail sent to a user, by where it goes alone. Strangers who ask for mails to that user
   * use up nothing of it.
   */
  async consumeStaffMail(email: string, staff: Caller, source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.recipients.consume(accountKey(`staff ${email}`), source, staff);
    }
  }

  /**
   * Counts a mail to an address where nobody may learn from the answer that none is sent any more: then it is false.
   *
   * @param email normalised
   */
  async allowsMail(email: string, source: RequestSource): Promise<boolean> {
    try {
      if (this.config.hasRateLimits) {
        await this.recipients.consume(accountKey(email), source);
      }
      return true;
    } catch (error) {
      if (error instanceof TooManyRequestsError) return false;
      throw error;
    }
  }

  /** Counts a try of a token. Throws `too_many_requests` beyond the limit. */
  async consumeTry(source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.tries.consume(networkOf(source.ip), source);
    }
  }
}
