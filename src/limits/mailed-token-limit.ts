import { Injectable } from '@nestjs/common';
import { EventEmitter2 } from '@nestjs/event-emitter';
import { InjectDataSource } from '@nestjs/typeorm';
import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import { DataSource } from 'typeorm';
import { AuditTrail } from '../audit/audit-trail.js';
import { TooManyRequestsError } from '../common/problem.js';
import type { RequestSource } from '../common/request-source.js';
import { AppConfig } from '../config/config.js';
import { AddressLimit } from './address-limit.js';
import { accountKey, createLimiter, refusalOf } from './limiter.js';
import { LimitHit } from './limits.events.js';

const HOUR_SECONDS = 3600;
const MINUTE_SECONDS = 60;

/** Bounds how often a mail with a token is asked for, and how often such tokens are tried. */
@Injectable()
export class MailedTokenLimit {
  private readonly accounts: RateLimiterPostgres;
  private readonly addresses: AddressLimit;

  constructor(
    @InjectDataSource() dataSource: DataSource,
    private readonly audit: AuditTrail,
    private readonly events: EventEmitter2,
    private readonly config: AppConfig,
  ) {
    this.accounts = createLimiter(dataSource, {
      name: 'token_mail_account',
      points: config.tokenMailsPerAccount,
      windowSeconds: HOUR_SECONDS,
      givesUpAt: config.tokenMailsPerAccount * 2 + 1,
    });
    this.addresses = new AddressLimit(dataSource, audit, events, 'mailed_token_throttled', {
      name: 'mailed_token_address',
      points: config.mailedTokensPerAddress,
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /**
   * Counts a request for a mail to an address, whether or not anybody has it. Throws {@link TooManyRequestsError}
   * beyond the limit.
   *
   * @param email normalised
   */
  async consumeMail(email: string, source: RequestSource): Promise<void> {
    if (!this.config.hasRateLimits) {
      return;
    }
    const refusal = await refusalOf(this.accounts.consume(accountKey(email)));
    if (!refusal) {
      return;
    }
    if (refusal.consumedPoints === this.config.tokenMailsPerAccount + 1) {
      await this.audit.record({ type: 'password_reset_throttled', outcome: 'failure', reason: 'account' }, source);
    }
    this.events.emit(LimitHit.name, new LimitHit('token_mail_account'));
    throw new TooManyRequestsError(refusal.msBeforeNext);
  }

  /** Counts a try of a token. Throws `too_many_requests` beyond the limit. */
  async consumeTry(source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.addresses.consume(source);
    }
  }
}
