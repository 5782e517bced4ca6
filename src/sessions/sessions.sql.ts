import sql, { type Sql } from 'sql-template-tag';
import type { RequestSource } from '../http/request-source.js';
import { IS_IN_OPEN_INCIDENT } from '../database/open-incidents.sql.js';
import type { MailDetails } from '../mail/mail.entity.js';
import { mailDetailsOf } from './device-label.js';
import type { RevocationReason } from './session.entity.js';
import { AUDITED_TYPES, SESSION_EVENT, type SessionEvent } from './session-event.js';

// The rules that must hold in every statement, each written once. `s` is sessions, `u` is users.

/** A session whose row neither says that it was revoked nor that its time is over. */
export const NOT_ENDED = sql`s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now()`;

/** What an active session is. */
export const ACTIVE = sql`${NOT_ENDED} AND NOT ${IS_IN_OPEN_INCIDENT}`;

// A refresh that began before the idle end of its session and is not committed yet may still extend it. So a revocation
// waits for such rows too, and then checks them again.
const PERHAPS_ACTIVE = sql`s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute'
      AND s.expires_at > now()`;

/** The state of a session, as {@link State}. */
export const STATE = sql`
  (s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL OR ${IS_IN_OPEN_INCIDENT}) AS "isRevoked",
  (s.revoked_reason = 'logout' AND s.revoked_at > now() - interval '10 seconds') IS TRUE AS "isJustLoggedOut",
  (s.idle_expires_at <= now() OR s.expires_at <= now()) AS "isExpired"`;

/** How the database sees a session at the moment it was asked. */
export interface State {
  /** Revoked, or to be revoked by an incident, or its user disabled. */
  readonly isRevoked: boolean;
  /** By a logout less than ten seconds ago: a proxy that lost the answer may send the same request again. */
  readonly isJustLoggedOut: boolean;
  /** Past its idle or absolute end. */
  readonly isExpired: boolean;
}

/**
 * Whether the immediate predecessor of the current refresh token is still good: its rotation is less than the grace
 * ago, or nobody has used the successor yet, so its answer may have been lost. A grace of 0 turns both off.
 */
export const honoursPredecessor = (graceSeconds: number): Sql => sql`(
    ${graceSeconds}::double precision > 0 AND (
      s.rotated_at > now() - make_interval(secs => ${graceSeconds}::double precision)
      OR s.used_generation < s.generation
    ))`;

/** What may be known of the request behind a revocation: of an incident's, only which it was. */
type RevocationSource = { readonly [Key in keyof RequestSource]: RequestSource[Key] | null };

/** The last three columns of a row in the audit trail: ip, user_agent, request_id; null for what no request asked for. */
export const sourceValues = (source: RevocationSource | null): Sql =>
  sql`${source?.ip ?? null}, ${source?.userAgent ?? null}, ${source?.requestId ?? null}`;

/** What a mail about a request has as its details: which device, its address, and what else it says. */
export const mailedSource = (source: RequestSource, others: MailDetails = {}): Sql =>
  sql`${JSON.stringify({ ...mailDetailsOf(source), ...others })}::jsonb`;

/** What {@link eventsOf} must know of a row in the audit trail. */
export const AUDIT_COLUMNS = sql`id, at, type, user_id, session_id, reason`;

/** Whether an event stream is open for the user with this id. */
export const isWatched = (userId: Sql): Sql => sql`EXISTS (
    SELECT FROM stream_watches w WHERE w.user_id = ${userId} AND w.until > now())`;

/**
 * What to notify once a statement is committed, as an array of {@link SessionEvent}: only for users with an open event
 * stream, since each notification has its price.
 *
 * @param rows selects what the statement wrote into the audit trail, with {@link AUDIT_COLUMNS}
 */
export const eventsOf = (rows: Sql): Sql => sql`(
  SELECT coalesce(json_agg(${SESSION_EVENT}), '[]')
  FROM (${rows}) e WHERE e.type IN (${AUDITED_TYPES}) AND ${isWatched(sql`e.user_id`)}
) AS events`;

export const RECORDED = sql`SELECT * FROM recorded`;

/** What follows the steps of {@link revoke}: how many it revoked, and what to notify. */
export const REVOKED_COUNT = sql`SELECT (SELECT count(*) FROM revoked)::integer AS count, ${eventsOf(RECORDED)}`;

/** The row that {@link REVOKED_COUNT} answers. */
export interface RevokedCount {
  readonly count: number;
  readonly events: SessionEvent[];
}

/** Why a session is revoked, and who does it: null for its user. */
export interface Revoker {
  readonly reason: RevocationReason;
  readonly actorId: string | null;
}

/** Who revokes a session, for {@link revoke}. */
export const BY_ITS_USER = sql`s.user_id`;
export const byActor = (actorId: string | null): Sql => sql`coalesce(${actorId}::uuid, s.user_id)`;
export const BY_THE_SERVICE = sql`NULL::uuid`;

/**
 * The steps that revoke sessions: CTEs of which `revoked` has the rows and `recorded` their {@link AUDIT_COLUMNS}. Rows
 * are locked in the order of their ids, so that two of these never wait for each other in a circle. They are then found again
 * by an array of ids: for a join with many, PostgreSQL reads the whole table.
 *
 * @param which condition over `s` that picks the sessions; only active ones of them are revoked
 * @param revokedBy the id of the user or the service client that does it
 */
export const revoke = (which: Sql, revokedBy: Sql, reason: RevocationReason, source: RevocationSource | null): Sql =>
  revokeRows(sql`${which} AND NOT ${IS_IN_OPEN_INCIDENT}`, revokedBy, reason, source);

/** The same for an incident, which ends what is not active because of it. */
export const revokeRows = (
  which: Sql,
  revokedBy: Sql,
  reason: RevocationReason,
  source: RevocationSource | null,
): Sql => sql`
  held AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s
    WHERE ${which} AND ${PERHAPS_ACTIVE}
    ORDER BY s.id FOR UPDATE OF s
  ), revoked AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = ${reason}, revoked_by = ${revokedBy}
    WHERE s.id = ANY(ARRAY(
      SELECT held.id FROM held WHERE held.idle_expires_at > now() AND held.expires_at > now()
    ))
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, ${reason}, ${sourceValues(source)} FROM revoked
    RETURNING ${AUDIT_COLUMNS}
  )`;
