import { Injectable } from '@nestjs/common';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { type KeyedLimit, type SignedIn } from './keyed-limit.js';
import { Limiters } from './limiters.js';

const MINUTE_SECONDS = 60;

/** Bounds how often a user names their devices: each name is sent to every open stream of the account. */
@Injectable()
export class RenameLimit {
  private readonly users: KeyedLimit;

  constructor(limiters: Limiters, config: AppConfig) {
    this.users = limiters.createKeyed({
      event: 'rename_throttled',
      name: 'rename_account',
      counts: 'account',
      points: config.renamesPerUser,
      setting: config.settingToName('RENAMES_PER_USER'),
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /** Counts one. Throws `too_many_requests` beyond the limit. */
  async consume(caller: SignedIn, source: RequestSource): Promise<void> {
    await this.users.consume(caller.userId, source, caller);
  }
}
