import { Injectable } from '@nestjs/common';
import sql, { empty, type Sql } from 'sql-template-tag';
import type { AuditEventType } from '../../audit/audit-event.entity.js';
import { Database } from '../../database/database.js';
import type { Queryable, Transaction } from '../../database/transaction.js';
import type { PageRequest } from '../../http/pagination.js';
import type { RequestSource } from '../../http/request-source.js';
import { STREAM_UPDATED } from '../deliveries/delivery.entity.js';
import type { Receiver } from './receiver.entity.js';

/** A receiver as staff see it: without its secrets. */
export type ReceiverView = Omit<Receiver, 'encryptedSecret' | 'formerSecret' | 'retryAt' | 'verificationAskedAt'> & {
  /** How long the oldest delivery waits, in seconds; null where none does. */
  readonly oldestWaitingSeconds: number | null;
};

/** What staff say of a receiver. */
export type ReceiverSettings = Pick<Receiver, 'url' | 'events' | 'include' | 'audience' | 'algorithm' | 'description'>;

/** Who changes a receiver: a member of staff with a request, or null for a person at the command line. */
export interface ReceiverChange {
  readonly actorId: string | null;
  readonly source: RequestSource | null;
}

/**
 * How long the oldest delivery waits for the receiver r, in seconds; null where none does. Not since it happened: that may have been
 * noticed later, and what staff send again waits since then.
 */
export const OLDEST_WAITING_SECONDS = sql`(
    SELECT extract(epoch FROM now() - (d.give_up_at - interval '3 days'))::double precision FROM deliveries d
    WHERE d.receiver_id = r.id AND d.state = 'waiting' ORDER BY d.position LIMIT 1
  )`;

const VIEW = sql`r.id, r.url, r.kind, r.events, r.include, r.audience, r.algorithm, r.description, r.created_at AS "createdAt", r.failures,
  CASE WHEN r.former_secret_until > now() THEN r.former_secret_until END AS "formerSecretUntil",
  r.failing_since AS "failingSince", r.disabled_at AS "disabledAt", r.disabled_reason AS "disabledReason",
  r.client_id AS "clientId", ${OLDEST_WAITING_SECONDS} AS "oldestWaitingSeconds"`;

@Injectable()
export class ReceiversRepository {
  constructor(private readonly database: Database) {}

  async insert(
    transaction: Transaction,
    { kind, ...settings }: ReceiverSettings & Pick<Receiver, 'id' | 'kind' | 'encryptedSecret'>,
  ): Promise<void> {
    const { id, url, events, include, audience, algorithm, description, encryptedSecret } = settings;
    await transaction.query(sql`
      INSERT INTO receivers (id, url, kind, events, include, audience, algorithm, description, encrypted_secret)
      VALUES (${id}, ${url}, ${kind}, ${events}::text[], ${include}::text[], ${audience}, ${algorithm}, ${description},
        ${encryptedSecret})`);
  }

  /** Null where there is none. */
  async find(id: string, within: Queryable = this.database): Promise<ReceiverView | null> {
    const { rows } = await within.query<ReceiverView>(sql`SELECT ${VIEW} FROM receivers r WHERE r.id = ${id}`);
    return rows[0] ?? null;
  }

  /** The newest first. One more than the limit, if there are more. */
  async list({ limit, after }: PageRequest): Promise<ReceiverView[]> {
    const later = after ? sql`WHERE (r.created_at, r.id) < (${after.createdAt}, ${after.id}::uuid)` : empty;
    const { rows } = await this.database.query<ReceiverView>(sql`
      SELECT ${VIEW} FROM receivers r ${later} ORDER BY r.created_at DESC, r.id DESC LIMIT ${limit + 1}`);
    return rows;
  }

  /** False where there is none. */
  async update(transaction: Transaction, id: string, settings: Partial<ReceiverSettings>): Promise<boolean> {
    const { url = null, events = null, include = null, algorithm = null, audience, description } = settings;
    const { rowCount } = await transaction.query(sql`
      UPDATE receivers SET url = coalesce(${url}, url), events = coalesce(${events}::text[], events),
        include = coalesce(${include}::text[], include), algorithm = coalesce(${algorithm}, algorithm),
        audience = CASE WHEN ${audience === undefined} THEN audience ELSE ${audience ?? null} END,
        description = CASE WHEN ${description === undefined} THEN description ELSE ${description ?? null} END
      WHERE id = ${id}`);
    return rowCount > 0;
  }

  /** What waited meanwhile is sent. False where it is so already, and for a stream whose service client has ended. */
  enable(transaction: Transaction, id: string): Promise<boolean> {
    return this.switch(
      transaction,
      sql`UPDATE receivers SET disabled_at = NULL, disabled_reason = NULL, failures = 0, failing_since = NULL, retry_at = now()
        WHERE id = ${id} AND disabled_at IS NOT NULL AND disabled_reason IS DISTINCT FROM 'client_ended'`,
      'enabled',
    );
  }

  /** Nothing is sent to it any more, nor kept for it, until staff enable it. False where it is so already. */
  disable(transaction: Transaction, id: string): Promise<boolean> {
    return this.switch(
      transaction,
      sql`UPDATE receivers SET disabled_at = coalesce(disabled_at, now()), disabled_reason = 'staff'
        WHERE id = ${id} AND (disabled_reason IN ('staff', 'client_ended')) IS NOT TRUE`,
      'disabled',
    );
  }

  // The receiver of a stream is sent what it did not ask for (SSF 1.0, 8.1.5): about the stream itself, so in this order.
  private async switch(transaction: Transaction, update: Sql, status: 'enabled' | 'disabled'): Promise<boolean> {
    const { rows } = await transaction.query(sql`
      WITH switched AS (${update} RETURNING id, kind, disabled_at), notified AS (
        INSERT INTO deliveries (receiver_id, event, about, reason, at)
        SELECT id, ${STREAM_UPDATED}, id, ${status}, now() FROM switched
        WHERE kind IN ('ssf_push', 'ssf_poll') AND coalesce(disabled_at = now()::timestamptz(3), true)
      )
      SELECT id FROM switched`);
    return rows.length > 0;
  }

  /** Another secret; the one there is signs beside it for so many hours. False where there is no such receiver. */
  async replaceSecret(transaction: Transaction, id: string, encrypted: Buffer, hours: number): Promise<boolean> {
    const { rowCount } = await transaction.query(sql`
      UPDATE receivers SET encrypted_secret = ${encrypted}, former_secret = encrypted_secret,
        former_secret_until = now() + make_interval(hours => ${hours}::integer)
      WHERE id = ${id}`);
    return rowCount > 0;
  }

  /** With all that waits for it. False where there is none. */
  async delete(transaction: Transaction, id: string): Promise<boolean> {
    const { rowCount } = await transaction.query(sql`DELETE FROM receivers WHERE id = ${id}`);
    return rowCount > 0;
  }

  async record(transaction: Transaction, type: AuditEventType, note: string, change: ReceiverChange): Promise<void> {
    await transaction.query(recorded(type, note, change));
  }
}

function recorded(type: AuditEventType, note: string, { actorId, source }: ReceiverChange): Sql {
  const { ip = null, userAgent = null, requestId = null } = source ?? {};
  return sql`
    INSERT INTO audit_events (type, outcome, actor_id, note, ip, user_agent, request_id)
    VALUES (${type}, 'success', ${actorId}::uuid, ${note}, ${ip}, ${userAgent}, ${requestId})`;
}
