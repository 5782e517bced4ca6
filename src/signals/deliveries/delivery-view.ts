import sql, { type Sql } from 'sql-template-tag';
import { type Delivery, STREAM_UPDATED } from './delivery.entity.js';

/** A delivery as staff see it. */
export type DeliveryView = Pick<
  Delivery,
  'id' | 'event' | 'userId' | 'sessionId' | 'reason' | 'at' | 'state' | 'attempts' | 'status' | 'answer' | 'finishedAt'
> & {
  /** When it is tried next; null where it is not. */
  readonly nextAttemptAt: Date | null;
};

/** What staff see of a delivery d, with the receivers as they are, or as the statement leaves them. */
export const viewWith = (
  receivers: Sql,
): Sql => sql`d.id, d.event, d.user_id AS "userId", d.session_id AS "sessionId", d.reason, d.at, d.state,
  d.attempts, d.status, d.answer, d.finished_at AS "finishedAt", CASE WHEN d.state = 'waiting' THEN (
    -- As it is claimed: of a stream that staff disabled, that they did is still sent.
    SELECT greatest(d.next_attempt_at, CASE WHEN r.disabled_at IS NULL THEN r.retry_at END, now()) FROM ${receivers} r
    WHERE r.id = d.receiver_id AND r.paused_at IS NULL AND r.kind <> 'ssf_poll' AND (
      r.disabled_at IS NULL OR (r.kind = 'ssf_push' AND r.disabled_reason = 'staff' AND d.event = ${STREAM_UPDATED}))
  ) END AS "nextAttemptAt"`;
