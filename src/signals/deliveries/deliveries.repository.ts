import { Injectable } from '@nestjs/common';
import sql, { empty } from 'sql-template-tag';
import { Database } from '../../database/database.js';
import type { Queryable } from '../../database/transaction.js';
import type { PageRequest } from '../../http/pagination.js';
import { READER } from '../../mail/outbox.js';
import type { Receiver } from '../receivers/receiver.entity.js';
import { OLDEST_WAITING_SECONDS } from '../receivers/receivers.repository.js';
import { type Delivery, type DeliveryState, STREAM_UPDATED, TEST_EVENT } from './delivery.entity.js';
import { type DeliveryView, viewWith } from './delivery-view.js';

/** A delivery that one process has in hand, with what it needs of its receiver. */
export type ClaimedDelivery = Pick<
  Delivery,
  'id' | 'receiverId' | 'event' | 'userId' | 'sessionId' | 'reason' | 'email' | 'at' | 'attempts'
> &
  Pick<Receiver, 'url' | 'kind' | 'algorithm' | 'encryptedSecret' | 'formerSecret' | 'encryptedAuthorization'> & {
    readonly audience: string;
  };

/** What is to be claimed. */
export interface Claim {
  /** How many in all, and how many one receiver may have at the same time; one that did not take the last gets one, until it does. */
  readonly free: number;
  readonly share: number;
  readonly underWay: readonly ClaimedDelivery[];
  readonly seconds: number;
}

/** What became of an attempt. */
export interface Attempt {
  readonly status: number | null;
  readonly answer: string;
}

/** What an attempt that failed did besides. */
export interface PutOff {
  readonly state: DeliveryState;
  /** Set where this attempt disabled the receiver. */
  readonly disabledReason: Receiver['disabledReason'];
}

const VIEW = viewWith(sql`receivers`);

const MOST_SECONDS_BETWEEN = 3600;
// So long after a receiver is back it gets what waited.
const MOST_SECONDS_OF_RECEIVER = 60;
const DISABLED_AFTER_DAYS = 3;

@Injectable()
export class DeliveriesRepository {
  constructor(private readonly database: Database) {}

  /**
   * Takes deliveries whose time has come, for so many seconds. Of those about one session, or one user, only the first that
   * waits: the others wait for it. Of each receiver only so many as it may get at once, and first of those that have the fewest.
   */
  async claim({ free, share, underWay, seconds }: Claim): Promise<ClaimedDelivery[]> {
    const ids = underWay.map(({ id }) => id);
    const { rows } = await this.database.query<ClaimedDelivery>(sql`
      WITH open AS MATERIALIZED (
        SELECT r.id, b.busy, CASE WHEN r.failures > 0 THEN 1 ELSE ${share}::integer END - b.busy AS places
        FROM receivers r CROSS JOIN LATERAL (
          SELECT count(*) AS busy FROM unnest(${underWay.map(({ receiverId }) => receiverId)}::uuid[]) AS u (id) WHERE u.id = r.id
        ) b
        WHERE r.disabled_at IS NULL AND r.paused_at IS NULL AND r.kind <> 'ssf_poll' AND r.retry_at <= now()
      ), due AS MATERIALIZED (
        SELECT f.id FROM open CROSS JOIN LATERAL (
          SELECT n.id, row_number() OVER () AS number FROM (
            SELECT d.id FROM deliveries d
            WHERE d.receiver_id = open.id AND d.state = 'waiting' AND d.next_attempt_at <= now()
              AND (d.claimed_until IS NULL OR d.claimed_until <= now()) AND d.id <> ALL(${ids}::uuid[])
              AND NOT EXISTS (
                SELECT FROM deliveries e WHERE e.receiver_id = d.receiver_id AND e.about = d.about AND e.state = 'waiting'
                  AND e.position < d.position
              )
            ORDER BY d.next_attempt_at LIMIT greatest(open.places, 0) FOR UPDATE SKIP LOCKED
          ) n
        ) f
        ORDER BY open.busy + f.number LIMIT ${free}
      ), last AS MATERIALIZED (
        -- That staff disabled a stream, which is all that it is still sent.
        SELECT d.id FROM receivers r JOIN deliveries d ON d.receiver_id = r.id AND d.about = r.id AND d.state = 'waiting'
        WHERE r.kind = 'ssf_push' AND r.disabled_reason = 'staff' AND r.paused_at IS NULL AND d.event = ${STREAM_UPDATED}
          AND d.next_attempt_at <= now() AND (d.claimed_until <= now()) IS NOT FALSE AND d.id <> ALL(${ids}::uuid[])
          AND d.position = (
            SELECT min(e.position) FROM deliveries e WHERE e.receiver_id = r.id AND e.about = r.id AND e.state = 'waiting')
        LIMIT ${free} FOR UPDATE OF d SKIP LOCKED
      )
      UPDATE deliveries d SET attempts = d.attempts + 1, claimed_until = now() + make_interval(secs => ${seconds}::double precision)
      FROM receivers r WHERE d.id IN (SELECT id FROM due UNION ALL SELECT id FROM last) AND r.id = d.receiver_id
      RETURNING d.id, d.receiver_id AS "receiverId", d.event, d.user_id AS "userId", d.session_id AS "sessionId", d.reason, d.email,
        d.at, d.attempts, r.url, r.kind, r.algorithm, coalesce(r.audience, r.id::text) AS audience, r.encrypted_secret AS "encryptedSecret",
        r.encrypted_authorization AS "encryptedAuthorization",
        CASE WHEN r.former_secret_until > now() THEN r.former_secret END AS "formerSecret"`);
    return rows;
  }

  /** Notes that receivers took deliveries. */
  async settle(taken: readonly (Pick<Delivery, 'id' | 'receiverId'> & Attempt)[]): Promise<void> {
    await this.database.query(sql`
      WITH taking AS (
        UPDATE receivers SET failures = 0, failing_since = NULL, retry_at = now() WHERE id IN (
          SELECT id FROM receivers WHERE id = ANY(${taken.map(({ receiverId }) => receiverId)}::uuid[]) AND failures > 0
          ORDER BY id FOR NO KEY UPDATE
        )
      )
      UPDATE deliveries d SET state = 'delivered', status = t.status, answer = t.answer, finished_at = now()
      FROM unnest(
        ${taken.map(({ id }) => id)}::uuid[], ${taken.map(({ status }) => status)}::integer[],
        ${taken.map(({ answer }) => answer)}::text[]
      ) AS t (id, status, answer)
      WHERE d.id = t.id`);
  }

  /**
   * Notes that a receiver did not take a delivery. It is tried again, or given up. A receiver that took the one before gets this
   * one later and later. One that takes nothing gets longer and longer pauses, and its deliveries none of their own: they are all
   * sent when it is back. What fails in such a pause was under way before it, and makes it no longer. It is disabled after three
   * days, or at once where it says that it is gone.
   */
  async putOff({ id, receiverId, attempts }: ClaimedDelivery, { status, answer }: Attempt): Promise<PutOff | null> {
    const isGone = status === 410;
    const seconds = Math.min(2 ** attempts, MOST_SECONDS_BETWEEN);
    const { rows } = await this.database.query<PutOff>(sql`
      WITH before AS (
        SELECT failures FROM receivers WHERE id = ${receiverId}
      ), failing AS (
        UPDATE receivers SET failing_since = coalesce(failing_since, now()),
          failures = failures + CASE WHEN failures = 0 OR retry_at <= now() THEN 1 ELSE 0 END,
          retry_at = CASE WHEN failures = 0 OR retry_at <= now()
            THEN now() + make_interval(secs => least(power(2, least(failures, 20)), ${MOST_SECONDS_OF_RECEIVER}))
            ELSE retry_at END,
          disabled_at = CASE WHEN ${isGone} OR failing_since < now() - make_interval(days => ${DISABLED_AFTER_DAYS}::integer)
            THEN now() END,
          disabled_reason = CASE WHEN ${isGone} THEN 'gone'
            WHEN failing_since < now() - make_interval(days => ${DISABLED_AFTER_DAYS}::integer) THEN 'failing' END
        WHERE id = ${receiverId} AND disabled_at IS NULL
        RETURNING id, url, disabled_reason
      ), put_off AS (
        UPDATE deliveries SET status = ${status}, answer = ${answer}, claimed_until = NULL,
          next_attempt_at = now() + CASE WHEN (SELECT failures FROM before) = 0 OR event = ${STREAM_UPDATED}
            THEN make_interval(secs => ${seconds}::double precision) ELSE interval '0' END,
          state = CASE WHEN give_up_at <= now() THEN 'dead' ELSE state END,
          finished_at = CASE WHEN give_up_at <= now() THEN now() END
        WHERE id = ${id} RETURNING id, user_id, session_id, event, state
      ), mailed AS (
        INSERT INTO mails (kind, recipient, user_id, details, language, is_confirmed)
        SELECT 'receiver_disabled', u.email, u.id, jsonb_build_object('receiver', f.id), ${READER}
        FROM failing f JOIN users u ON u.role = 'admin' AND u.disabled_at IS NULL WHERE f.disabled_reason IS NOT NULL
      ), recorded AS (
        INSERT INTO audit_events (type, outcome, user_id, session_id, reason, note)
        SELECT 'delivery_given_up', 'failure', user_id, session_id, event, ${receiverId} FROM put_off WHERE state = 'dead'
        UNION ALL
        SELECT 'receiver_disabled', 'failure', NULL, NULL, disabled_reason, id || ' ' || url FROM failing
        WHERE disabled_reason IS NOT NULL
      )
      SELECT p.state, f.disabled_reason AS "disabledReason" FROM put_off p LEFT JOIN failing f ON true`);
    return rows[0] ?? null;
  }

  /** Leaves a delivery to other processes, at once. That its attempt came to nothing is no failure of the receiver. */
  async release(id: string): Promise<void> {
    await this.database.query(sql`UPDATE deliveries SET claimed_until = NULL WHERE id = ${id} AND state = 'waiting'`);
  }

  /**
   * Gives up what waited too long, of receivers that are disabled too: of each at most so many of the oldest, which are looked at.
   * How many they were.
   */
  async giveUpOverdue(most: number): Promise<number> {
    const { rowCount } = await this.database.query(sql`
      WITH dead AS (
        UPDATE deliveries SET state = 'dead', finished_at = now()
        WHERE id IN (
          SELECT d.id FROM receivers r CROSS JOIN LATERAL (
            SELECT d.id, d.give_up_at FROM deliveries d WHERE d.receiver_id = r.id AND d.state = 'waiting'
            ORDER BY d.position LIMIT ${most}
          ) d
          WHERE d.give_up_at <= now() - interval '1 hour'
        ) AND state = 'waiting'
        RETURNING receiver_id, user_id, session_id, event
      )
      INSERT INTO audit_events (type, outcome, user_id, session_id, reason, note)
      SELECT 'delivery_given_up', 'failure', user_id, session_id, event, receiver_id::text FROM dead`);
    return rowCount;
  }

  /**
   * Of each receiver, how long the oldest delivery waits that it has not taken, in seconds: 0 where none does, and where it is
   * disabled.
   */
  async findBacklog(): Promise<{ receiverId: string; seconds: number; isDisabledByItself: boolean }[]> {
    const { rows } = await this.database.query<{
      receiverId: string;
      seconds: number;
      isDisabledByItself: boolean;
    }>(sql`
      SELECT r.id AS "receiverId", r.disabled_reason IN ('gone', 'failing') IS TRUE AS "isDisabledByItself",
        coalesce(CASE WHEN r.disabled_at IS NULL THEN ${OLDEST_WAITING_SECONDS} END, 0) AS seconds
      FROM receivers r`);
    return rows;
  }

  /** Of a receiver, the newest first. One more than the limit, if there are more. */
  async list(receiverId: string, { limit, after }: PageRequest, state?: DeliveryState): Promise<DeliveryView[]> {
    const { rows } = await this.database.query<DeliveryView>(sql`
      SELECT ${VIEW} FROM deliveries d WHERE d.receiver_id = ${receiverId}
        ${after ? sql`AND (d.at, d.id) < (${after.createdAt}, ${after.id}::uuid)` : empty}
        ${state ? sql`AND d.state = ${state}` : empty}
      ORDER BY d.at DESC, d.id DESC LIMIT ${limit + 1}`);
    return rows;
  }

  /** Null where there is none. */
  async find(receiverId: string, id: string): Promise<DeliveryView | null> {
    const { rows } = await this.database.query<DeliveryView>(sql`
      SELECT ${VIEW} FROM deliveries d WHERE d.id = ${id} AND d.receiver_id = ${receiverId}`);
    return rows[0] ?? null;
  }

  /** Sends a delivery once more and at once, with the same id, whatever became of it. Null where there is none. */
  async redeliver(within: Queryable, receiverId: string, id: string): Promise<DeliveryView | null> {
    const { rows } = await within.query<DeliveryView>(sql`
      WITH asked AS (${tryNow(receiverId)})
      UPDATE deliveries d SET state = 'waiting', attempts = 0, next_attempt_at = ${BEFORE_ALL}, claimed_until = NULL, finished_at = NULL,
        give_up_at = now() + interval '3 days'
      WHERE d.id = ${id} AND d.receiver_id = ${receiverId} RETURNING ${VIEW_ONCE_ASKED}`);
    return rows[0] ?? null;
  }

  /** Sends something at once that says nothing but that it can be received. */
  async addTest(within: Queryable, receiverId: string): Promise<DeliveryView | null> {
    const { rows } = await within.query<DeliveryView>(sql`
      WITH asked AS (${tryNow(receiverId)})
      INSERT INTO deliveries AS d (receiver_id, event, about, at, next_attempt_at)
      VALUES (${receiverId}, ${TEST_EVENT}, gen_random_uuid(), now(), ${BEFORE_ALL}) RETURNING ${VIEW_ONCE_ASKED}`);
    return rows[0] ?? null;
  }
}

// What a person asks for is not behind what waits, and a receiver in a pause is tried for it.
const BEFORE_ALL = sql`now() - interval '3 days'`;
const tryNow = (receiverId: string) => sql`UPDATE receivers SET retry_at = now() WHERE id = ${receiverId} RETURNING *`;
const VIEW_ONCE_ASKED = viewWith(sql`asked`);
