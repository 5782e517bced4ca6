import { Injectable } from '@nestjs/common';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import type { KeyedLimit } from './keyed-limit.js';
import { Limiters } from './limiters.js';
import { networkOf } from './network.js';

const HOUR_SECONDS = 3600;

/** Bounds how many accounts one client network may try to make, whether or not it succeeds. */
@Injectable()
export class RegistrationLimit {
  private readonly addresses: KeyedLimit;

  constructor(limiters: Limiters, config: AppConfig) {
    this.addresses = limiters.createKeyed({
      event: 'registration_throttled',
      name: 'register_address',
      counts: 'address',
      points: config.registrationsPerAddress,
      setting: config.settingToName('REGISTRATIONS_PER_ADDRESS'),
      windowSeconds: HOUR_SECONDS,
    });
  }

  /** Counts one. Throws `too_many_requests` beyond the limit. */
  async consume(source: RequestSource): Promise<void> {
    await this.addresses.consume(networkOf(source.ip), source);
  }
}
