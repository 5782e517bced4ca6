import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/config.js';
import type { RequestSource } from '../../http/request-source.js';
import type { KeyedLimit } from '../../limits/keyed-limit.js';
import { Limiters } from '../../limits/limiters.js';
import { networkOf } from '../../limits/network.js';

const MINUTE_SECONDS = 60;

/** Bounds how often a token is sent that is none of ours. One that is can always be revoked. */
@Injectable()
export class UnknownTokenLimit {
  private readonly addresses: KeyedLimit;

  constructor(limiters: Limiters, config: AppConfig) {
    this.addresses = limiters.createKeyed({
      event: 'revocation_throttled',
      name: 'unknown_token_address',
      counts: 'address',
      points: config.unknownTokensPerAddress,
      setting: config.settingToName('UNKNOWN_TOKENS_PER_ADDRESS'),
      windowSeconds: MINUTE_SECONDS,
    });
  }

  /** Counts one. Throws `too_many_requests` beyond the limit. */
  async consume(source: RequestSource): Promise<void> {
    await this.addresses.consume(networkOf(source.ip), source);
  }
}
