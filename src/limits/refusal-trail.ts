import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import { AuditTrail, type NewAuditEvent } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { refusalOf } from './limiter.js';
import { Limiters } from './limiters.js';
import { networkOf } from './network.js';

const MINUTE_SECONDS = 60;
const REMEMBERED_MOST = 10_000;

/**
 * Records refusals in the audit trail: the first in a minute for each session or client, at any number of instances. A client can
 * cause refusals without end, and a trail that is full of them shows nothing (RL-10).
 */
@Injectable()
export class RefusalTrail {
  // What this instance knows to be recorded: one statement a minute for each session, however many come at once.
  private readonly recorded = new LRUCache<string, true>({ max: REMEMBERED_MOST, ttl: MINUTE_SECONDS * 1000 });
  private readonly firsts: RateLimiterPostgres;

  constructor(
    limiters: Limiters,
    private readonly audit: AuditTrail,
  ) {
    this.firsts = limiters.create({ name: 'refusal', points: 1, windowSeconds: MINUTE_SECONDS });
  }

  /**
   * Throws what the database throws.
   *
   * @param subject whose first refusal it is: without a session, the client's network
   */
  async record(
    event: NewAuditEvent,
    source: RequestSource,
    subject = event.sessionId ?? networkOf(source.ip),
  ): Promise<void> {
    const key = `${event.type}:${subject}`;
    if (this.recorded.has(key)) {
      return;
    }
    this.recorded.set(key, true);
    try {
      if ((await refusalOf(this.firsts.consume(key))) === null) {
        await this.audit.record(event, source);
      }
    } catch (error) {
      this.recorded.delete(key);
      throw error;
    }
  }
}
