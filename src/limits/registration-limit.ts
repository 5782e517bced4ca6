import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { KeyedLimit } from './keyed-limit.js';
import { networkOf } from './network.js';

const HOUR_SECONDS = 3600;

/** Bounds how many accounts one client network may try to make, whether or not it succeeds. */
@Injectable()
export class RegistrationLimit {
  private readonly addresses: KeyedLimit;

  constructor(
    @InjectDataSource() dataSource: DataSource,
    audit: AuditTrail,
    private readonly config: AppConfig,
  ) {
    this.addresses = new KeyedLimit(dataSource, audit, 'registration_throttled', {
      name: 'register_address',
      counts: 'address',
      points: config.registrationsPerAddress,
      windowSeconds: HOUR_SECONDS,
    });
  }

  /** Counts one. Throws `too_many_requests` beyond the limit. */
  async consume(source: RequestSource): Promise<void> {
    if (this.config.hasRateLimits) {
      await this.addresses.consume(networkOf(source.ip), source);
    }
  }
}
