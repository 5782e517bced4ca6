import { Injectable } from '@nestjs/common';
import sql, { empty } from 'sql-template-tag';
import { Database } from '../../database/database.js';
import type { Queryable, Transaction } from '../../database/transaction.js';
import type { ClaimedDelivery } from '../deliveries/deliveries.repository.js';
import type { SigningAlgorithm } from '../../keys/signing-key.js';
import { STREAM_UPDATED, TEST_EVENT } from '../deliveries/delivery.entity.js';
import type { SignalEvent } from '../receivers/receiver.entity.js';
import { POLL, PUSH, type Stream, type StreamStatus, VERIFICATION_SECONDS } from './stream.js';

/** What a client says of a stream. What is undefined stays as it is. */
export interface StreamChange {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly encryptedAuthorization?: Buffer | null | undefined;
  readonly requested?: readonly string[] | undefined;
  readonly events?: readonly SignalEvent[] | undefined;
  readonly algorithm?: SigningAlgorithm | undefined;
  readonly description?: string | null | undefined;
}

/** Why a receiver did not take an event that it polled. */
export interface PollError {
  readonly id: string;
  readonly answer: string;
}

const STREAM = sql`r.id, r.client_id AS "clientId", CASE r.kind WHEN 'ssf_poll' THEN ${POLL} ELSE ${PUSH} END AS method, r.url,
  r.requested, r.algorithm, r.description, r.events,
  CASE WHEN r.disabled_at IS NOT NULL THEN 'disabled' WHEN r.paused_at IS NOT NULL THEN 'paused' ELSE 'enabled' END AS status,
  r.status_reason AS "statusReason", r.disabled_reason AS "disabledReason"`;

/** Of these only staff say whether a stream is enabled, or nobody does. */
const NOT_FOR_ITS_CLIENT = sql`disabled_reason IN ('staff', 'client_ended')`;

/** What can be sent: of a stream that staff disabled, only that they did. */
const SENDABLE = sql`d.state = 'waiting' AND r.paused_at IS NULL
  AND (r.disabled_at IS NULL OR d.event = ${STREAM_UPDATED} AND r.disabled_reason = 'staff')`;

export type StreamRow = Omit<Stream, 'delivered'> & { readonly events: readonly SignalEvent[] };

/** The streams of service clients, each found by its own client alone. */
@Injectable()
export class StreamsRepository {
  constructor(private readonly database: Database) {}

  /** Keeps a client from ending until the end of the transaction, and its streams from getting more. False where it has ended. */
  async lockClient(transaction: Transaction, clientId: string): Promise<boolean> {
    const { rows } = await transaction.query(
      sql`SELECT id FROM service_clients WHERE id = ${clientId} AND ended_at IS NULL FOR NO KEY UPDATE`,
    );
    return rows.length > 0;
  }

  async insert(
    transaction: Transaction,
    clientId: string,
    {
      id,
      method,
      url,
      requested,
      events,
      algorithm,
      description,
      encryptedAuthorization,
    }: StreamChange & { id: string },
  ): Promise<void> {
    await transaction.query(sql`
      WITH added AS (
        INSERT INTO receivers (id, url, kind, events, requested, algorithm, description, audience, client_id, encrypted_authorization)
        VALUES (${id}, ${url}, ${kindOf(method)}, ${events}::text[], ${requested}::text[], ${algorithm}, ${description ?? null},
          ${clientId}, ${clientId}, ${encryptedAuthorization ?? null})
        RETURNING id, url
      )
      INSERT INTO audit_events (type, outcome, actor_id, note)
      SELECT 'receiver_created', 'success', ${clientId}::uuid, trim(id || ' ' || url) FROM added`);
  }

  async list(clientId: string, id?: string, within: Queryable = this.database): Promise<StreamRow[]> {
    const { rows } = await within.query<StreamRow>(sql`
      SELECT ${STREAM} FROM receivers r WHERE r.client_id = ${clientId} ${id === undefined ? empty : sql`AND r.id = ${id}`}
      ORDER BY r.created_at, r.id`);
    return rows;
  }

  /** False where the client has no such stream. */
  async update(clientId: string, id: string, change: StreamChange): Promise<boolean> {
    const {
      method,
      url = null,
      requested = null,
      events = null,
      algorithm = null,
      encryptedAuthorization,
      description,
    } = change;
    const { rows } = await this.database.query(sql`
      WITH changed AS (
        UPDATE receivers SET kind = coalesce(${kindOf(method)}, kind), url = coalesce(${url}, url),
          requested = coalesce(${requested}::text[], requested), events = coalesce(${events}::text[], events),
          algorithm = coalesce(${algorithm}, algorithm),
          description = CASE WHEN ${description === undefined} THEN description ELSE ${description ?? null} END,
          encrypted_authorization = CASE WHEN ${encryptedAuthorization === undefined} THEN encrypted_authorization
            ELSE ${encryptedAuthorization ?? null}::bytea END
        WHERE id = ${id} AND client_id = ${clientId} RETURNING id
      ), recorded AS (
        INSERT INTO audit_events (type, outcome, actor_id, note)
        SELECT 'receiver_changed', 'success', ${clientId}::uuid, id::text FROM changed
      )
      SELECT id FROM changed`);
    return rows.length > 0;
  }

  /** False where the client has no such stream, or may not say this of it. */
  async setStatus(clientId: string, id: string, status: StreamStatus, reason: string | null): Promise<boolean> {
    const { rows } = await this.database.query(sql`
      WITH changed AS (
        UPDATE receivers SET status_reason = ${reason},
          paused_at = CASE WHEN ${status === 'paused'} THEN coalesce(paused_at, now()) END,
          disabled_at = CASE WHEN ${status === 'disabled'} THEN coalesce(disabled_at, now()) END,
          disabled_reason = NULL, failures = 0, failing_since = NULL, retry_at = now()
        WHERE id = ${id} AND client_id = ${clientId} AND (${NOT_FOR_ITS_CLIENT}) IS NOT TRUE RETURNING id
      ), recorded AS (
        INSERT INTO audit_events (type, outcome, actor_id, note)
        SELECT 'receiver_changed', 'success', ${clientId}::uuid, id || ' ' || ${status}::text FROM changed
      )
      SELECT id FROM changed`);
    return rows.length > 0;
  }

  /** With all that waits. False where the client has no such stream. */
  async delete(clientId: string, id: string): Promise<boolean> {
    const { rows } = await this.database.query(sql`
      WITH deleted AS (
        DELETE FROM receivers WHERE id = ${id} AND client_id = ${clientId} RETURNING id, url
      ), recorded AS (
        INSERT INTO audit_events (type, outcome, actor_id, note)
        SELECT 'receiver_deleted', 'success', ${clientId}::uuid, trim(id || ' ' || url) FROM deleted
      )
      SELECT id FROM deleted`);
    return rows.length > 0;
  }

  /** An event that says nothing but that the stream works; none while it is disabled. False where the last one is too recent. */
  async addVerification(id: string, state: string | null): Promise<boolean> {
    const { rows } = await this.database.query(sql`
      WITH asked AS (
        UPDATE receivers SET verification_asked_at = now()
        WHERE id = ${id}
          AND coalesce(verification_asked_at <= now() - make_interval(secs => ${VERIFICATION_SECONDS}::integer), true)
        RETURNING id, disabled_at
      ), added AS (
        INSERT INTO deliveries (receiver_id, event, about, reason, at)
        SELECT id, ${TEST_EVENT}, gen_random_uuid(), ${state}, now() FROM asked WHERE disabled_at IS NULL
      )
      SELECT id FROM asked`);
    return rows.length > 0;
  }

  /** What waits, in its order, at most so many and one more. */
  async listWaiting(id: string, most: number): Promise<ClaimedDelivery[]> {
    const { rows } = await this.database.query<ClaimedDelivery>(sql`
      SELECT d.id, d.receiver_id AS "receiverId", d.event, d.user_id AS "userId", d.session_id AS "sessionId", d.reason, d.email, d.at,
        d.attempts, r.url, r.kind, r.algorithm, r.audience
      FROM deliveries d JOIN receivers r ON r.id = d.receiver_id
      WHERE d.receiver_id = ${id} AND ${SENDABLE}
      ORDER BY d.position LIMIT ${most + 1}`);
    return rows;
  }

  /** Those of these streams for which something waits. */
  async findWaiting(ids: readonly string[]): Promise<string[]> {
    const { rows } = await this.database.query<{ id: string }>(sql`
      SELECT r.id FROM receivers r
      WHERE r.id = ANY(${ids}::uuid[]) AND EXISTS (SELECT FROM deliveries d WHERE d.receiver_id = r.id AND ${SENDABLE})`);
    return rows.map(({ id }) => id);
  }

  /** Notes what a receiver took, and what it could not use: neither is sent again. */
  async acknowledge(id: string, taken: readonly string[], errors: readonly PollError[]): Promise<void> {
    await this.database.query(sql`
      UPDATE deliveries d SET state = CASE WHEN e.answer IS NULL THEN 'delivered' ELSE 'dead' END, answer = e.answer,
        attempts = d.attempts + 1, finished_at = now()
      FROM (
        SELECT unnest(${taken}::uuid[]) AS id, NULL AS answer
        UNION SELECT * FROM unnest(${errors.map((error) => error.id)}::uuid[], ${errors.map(({ answer }) => answer)}::text[])
      ) e
      WHERE d.id = e.id AND d.receiver_id = ${id} AND d.state = 'waiting'`);
  }
}

const kindOf = (method: string | undefined) =>
  method === undefined ? null : method === POLL ? 'ssf_poll' : 'ssf_push';
