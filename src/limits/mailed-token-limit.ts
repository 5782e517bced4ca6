import { Injectable } from '@nestjs/common';
import { EventEmitter2 } from '@nestjs/event-emitter';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../common/request-source.js';
import { AppConfig } from '../config/config.js';
import { KeyedLimit } from './keyed-limit.js';
import { accountKey } from './limiter.js';
import { networkOf } from './network.js';

const HOUR_SECONDS = 3600;
const MINUTE_SECONDS = 60;

/** Bounds how often a mail with a token is asked for, and how often such tokens are tried. */
@Injectable()
export class MailedTokenLimit {
  private readonly accounts: KeyedLimit;
  private readonly addresses: KeyedLimit;

  constructor(
    @InjectDataSource() dataSource: DataSource,
    audit: AuditTrail,
    events: EventEmitter2,
    private readonly config: AppConfig,
  ) {
    this.accounts = new KeyedLimit(dataSource, audit, events, 'password_reset_throttled', {
      name: 'token_mail_account',
      counts: 'account',
      points: config.tokenMailsPerAccount,
      windowSeconds: HOUR_SECONDS,
    });
    this.addresses = new KeyedLimit(dataSource, audit, events, 'mailed_token_throttled', {
      name: 'mailed_token_address',
      counts: 'address',
      points: config.mailedTokensPerAddress,
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /**
   * Counts a request for a mail to an address, whether or not anybody has it. Throws `too_many_requests`
   * beyond the limit.
   *
   * @param email normalised
   */
  async consumeMail(email: string, source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.accounts.consume(accountKey(email), source);
    }
  }

  /** Counts a try of a token. Throws `too_many_requests` beyond the limit. */
  async consumeTry(source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.addresses.consume(networkOf(source.ip), source);
    }
  }
}
