import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuditTrail } from '../audit/audit-trail.js';
import type { Caller } from '../http/caller.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { KeyedLimit } from './keyed-limit.js';

const MINUTE_SECONDS = 60;

/** Bounds how often a user names their devices: each name is told to every open stream of the account. */
@Injectable()
export class RenameLimit {
  private readonly users: KeyedLimit;

  constructor(
    @InjectDataSource() dataSource: DataSource,
    audit: AuditTrail,
    private readonly config: AppConfig,
  ) {
    this.users = new KeyedLimit(dataSource, audit, 'rename_throttled', {
      name: 'rename_account',
      counts: 'account',
      points: config.renamesPerUser,
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /** Counts one. Throws `too_many_requests` beyond the limit. */
  async consume(caller: Caller, source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.users.consume(caller.userId, source, caller);
    }
  }
}
