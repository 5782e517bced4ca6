import { Injectable } from '@nestjs/common';
import { RateLimiterPostgres } from 'rate-limiter-flexible';
import { DataSource } from 'typeorm';
import { AuditTrail } from '../audit/audit-trail.js';
import { AppConfig } from '../config/config.js';
import { InjectOurDataSource } from '../database/data-source.js';
import { KeyedLimit, type KeyedLimitOptions } from './keyed-limit.js';

interface LimiterOptions {
  /** Sets its keys apart from those of other limiters. */
  readonly name: string;
  readonly points: number;
  readonly windowSeconds: number;
  /** From so many points on this instance refuses by itself until the window ends, without a statement. */
  readonly givesUpAt?: number;
}

/** Makes limiters on the database: exact across instances, and not forgotten at a restart. */
@Injectable()
export class Limiters {
  constructor(
    @InjectOurDataSource() private readonly dataSource: DataSource,
    private readonly audit: AuditTrail,
    private readonly config: AppConfig,
  ) {}

  create({ name, points, windowSeconds, givesUpAt }: LimiterOptions): RateLimiterPostgres {
    return new RateLimiterPostgres({
      storeClient: this.dataSource,
      storeType: 'typeorm',
      tableName: 'rate_limits',
      tableCreated: true,
      clearExpiredByTimeout: false,
      keyPrefix: name,
      points,
      duration: windowSeconds,
      ...(givesUpAt !== undefined && { inMemoryBlockOnConsumed: givesUpAt }),
    });
  }

  /** A limit per client network or account, which RATE_LIMIT turns off. */
  createKeyed(options: KeyedLimitOptions): KeyedLimit {
    // Far beyond the limit it is no accident: the rest of the window is not worth a statement each.
    const limiter = this.create({ ...options, givesUpAt: options.points * 2 + 1 });
    return new KeyedLimit(this.config.hasRateLimits ? limiter : null, this.audit, options);
  }
}
