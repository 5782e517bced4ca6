import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import sql from 'sql-template-tag';
import { Repository } from 'typeorm';
import { InjectOurRepository } from '../database/data-source.js';
import type { Position } from '../http/pagination.js';
import type { RequestSource } from '../http/request-source.js';
import type { Queryable } from '../database/transaction.js';
import { AuditEvent, type AuditEventType, type AuditOutcome } from './audit-event.entity.js';

export interface NewAuditEvent {
  readonly type: AuditEventType;
  readonly outcome: AuditOutcome;
  readonly userId?: string | null;
  readonly sessionId?: string | null;
  readonly actorId?: string | null;
  readonly reason?: string;
  readonly note?: string | null;
}

export interface AuditQuery {
  readonly userId?: string | undefined;
  readonly type?: string | undefined;
  /** ISO 8601; from included, to not. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly after?: Position | undefined;
  readonly limit: number;
}

/**
 * The durable trail: here its lines about what changes nothing, such as a refusal. A line about a change is written by the
 * statement or in the transaction that makes the change, so that neither is ever there without the other.
 */
@Injectable()
export class AuditTrail implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(AuditTrail.name);

  constructor(@InjectOurRepository(AuditEvent) private readonly events: Repository<AuditEvent>) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.record({ type: 'service_started', outcome: 'success' });
  }

  // Before the hooks of shutdown, since the database is closed in one of them.
  async beforeApplicationShutdown(): Promise<void> {
    try {
      await this.record({ type: 'service_stopped', outcome: 'success' });
    } catch (error) {
      // An unreachable database must not keep the process from stopping.
      this.logger.warn(`Could not record the stop: ${String(error)}`);
    }
  }

  /** Lines of the trail that fit, the newest first. One more than the limit, if there are more. */
  async search({ userId, type, from, to, after, limit }: AuditQuery): Promise<AuditEvent[]> {
    const query = this.events.createQueryBuilder('event').orderBy('event.at', 'DESC').addOrderBy('event.id', 'DESC');
    if (userId !== undefined) query.andWhere('event.userId = :userId', { userId });
    if (type !== undefined) query.andWhere('event.type = :type', { type });
    if (from !== undefined) query.andWhere('event.at >= :from', { from });
    if (to !== undefined) query.andWhere('event.at < :to', { to });
    if (after) query.andWhere('(event.at, event.id) < (:at, :id::uuid)', { at: after.createdAt, id: after.id });
    return query.take(limit + 1).getMany();
  }

  /** Every line about a user, oldest first, so many at a time. */
  async *pagesOf(userId: string, rows: number): AsyncGenerator<AuditEvent[]> {
    let page: AuditEvent[];
    let last: AuditEvent | undefined;
    do {
      const query = this.events.createQueryBuilder('event').where('event.userId = :userId', { userId });
      if (last) query.andWhere('(event.at, event.id) > (:at, :id::uuid)', { at: last.at, id: last.id });
      page = await query.orderBy('event.at').addOrderBy('event.id').take(rows).getMany();
      yield page;
      last = page.at(-1);
    } while (page.length === rows);
  }

  /** Writes one line in the transaction of the change that it records. */
  async recordWithin(
    transaction: Queryable,
    { type, outcome, userId, sessionId, actorId, reason, note }: NewAuditEvent,
    { ip, userAgent, requestId }: RequestSource,
  ): Promise<void> {
    await transaction.query(
      sql`INSERT INTO audit_events
            (type, outcome, user_id, session_id, actor_id, reason, note, ip, user_agent, request_id)
          VALUES (${type}, ${outcome}, ${userId}, ${sessionId}, ${actorId}, ${reason}, ${note}, ${ip}, ${userAgent},
            ${requestId})`,
    );
  }

  /** Writes one line. Throws what the database throws: the caller decides whether that matters. */
  async record(event: NewAuditEvent, source?: RequestSource): Promise<void> {
    await this.events.insert({ ...event, ...source });
  }
}
