import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { LRUCache } from 'lru-cache';
import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import { DataSource } from 'typeorm';
import { AuditTrail, type NewAuditEvent } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { createLimiter, refusalOf } from './limiter.js';
import { networkOf } from './network.js';

const MINUTE_SECONDS = 60;
const REMEMBERED_MOST = 10_000;

/**
 * Tells the audit trail that somebody was refused: the first time in a minute for each session, at any number of
 * instances. A refusal can be had without end, and nothing is learnt from a trail that is full of it (RL-10).
 */
@Injectable()
export class RefusalTrail {
  // What this instance need not ask about: one statement a minute for each session, however many come at once.
  private readonly told = new LRUCache<string, true>({ max: REMEMBERED_MOST, ttl: MINUTE_SECONDS * 1000 });
  private readonly firsts: RateLimiterPostgres;

  constructor(
    @InjectDataSource() dataSource: DataSource,
    private readonly audit: AuditTrail,
  ) {
    this.firsts = createLimiter(dataSource, { name: 'refusal', points: 1, windowSeconds: MINUTE_SECONDS });
  }

  /** Throws what the database throws. */
  async record(event: NewAuditEvent, source: RequestSource): Promise<void> {
    const key = `${event.type}:${event.sessionId ?? networkOf(source.ip)}`;
    if (this.told.has(key)) {
      return;
    }
    this.told.set(key, true);
    try {
      if ((await refusalOf(this.firsts.consume(key))) === null) {
        await this.audit.record(event, source);
      }
    } catch (error) {
      this.told.delete(key);
      throw error;
    }
  }
}
