import type { User, UserProfile } from '../users/user.entity.js';
import type { OpenSession, RevocationReason, Session } from './session.entity.js';
import { NEWS_TYPES } from './session-news.js';

// The rules that must hold in every statement, each written once. `s` is sessions, `u` is users.

/** What an active session is. */
export const ACTIVE = `s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now()`;

// A session past its idle end may be on its way back: a refresh that began before it, and is not committed yet. So
// whoever ends sessions waits for those too, and then looks again.
const PERHAPS_ACTIVE = `s.revoked_at IS NULL AND s.idle_expires_at > now() - interval '1 minute' AND s.expires_at > now()`;

/**
 * Whether the immediate predecessor of the current refresh token is still good: its rotation is less than the grace
 * ago, or nobody has used the successor yet, so its answer may have been lost. A grace of 0 turns both off.
 */
export const honoursPredecessor = (graceSeconds: string) => `(
  ${graceSeconds}::double precision > 0 AND (
    s.rotated_at > now() - make_interval(secs => ${graceSeconds}::double precision)
    OR s.used_generation < s.generation
  ))`;

/** What a revocation records, in parameters $1 to $4: reason, ip, user agent and request id. */
export type RevocationParameters = [reason: RevocationReason, ip: string, userAgent: string, requestId: string];

/** What {@link newsOf} must know of a line of the audit trail. */
export const LINE = `id, at, type, user_id, session_id, reason`;

/** Whether anybody watches the user with this id, see {@link SessionFeed.follow}. */
export const isWatched = (userId: string) => `
  EXISTS (SELECT FROM stream_watches w WHERE w.user_id = ${userId} AND w.until > now())`;

/**
 * What a statement is to tell once it is committed, as {@link SessionNews}: of users whom somebody watches, null for all
 * others, since each notification has its price.
 *
 * @param lines SQL for what it wrote into the audit trail, with the columns of {@link LINE}
 */
export const newsOf = (lines: string) => `(
  SELECT json_agg(json_build_object(
    'eventId', l.id, 'type', l.type, 'userId', l.user_id, 'sessionId', l.session_id, 'reason', l.reason,
    'at', floor(extract(epoch FROM l.at) * 1000)))
  FROM (${lines}) l WHERE l.type IN (${NEWS_TYPES}) AND ${isWatched('l.user_id')}
) AS news`;

/**
 * The steps that end sessions: CTEs of which `ended` has the rows, and `recorded` their {@link LINE}. Rows are locked in the order of their ids, so that
 * two of these never wait for each other in a circle. Each ended session gets its line in the audit trail.
 *
 * @param which SQL over `s` that picks the sessions; only active ones of them are ended
 * @param actor SQL for the id of the user who did it
 */
export const end = (which: string, actor: 's.user_id' | 'NULL::uuid' | '$6::uuid') => `
  doomed AS (
    SELECT s.id, s.idle_expires_at, s.expires_at FROM sessions s WHERE ${which} AND ${PERHAPS_ACTIVE}
    ORDER BY s.id FOR UPDATE OF s
  ), ended AS (
    UPDATE sessions s SET revoked_at = now(), revoked_reason = $1, revoked_by = ${actor}
    FROM doomed
    WHERE s.id = doomed.id AND doomed.idle_expires_at > now() AND doomed.expires_at > now()
    RETURNING s.id, s.user_id, s.revoked_by
  ), recorded AS (
    INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, reason, ip, user_agent, request_id)
    SELECT 'session_revoked', 'success', user_id, id, revoked_by, $1, $2, $3, $4 FROM ended
    RETURNING ${LINE}
  )`;

/**
 * Ended on purpose, or its user disabled; by a logout so short ago that the same request may come again, sent once more
 * by a proxy that lost the answer; past its idle or absolute end.
 */
export const STATE = `
  (s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL) AS "isRevoked",
  (s.revoked_reason = 'logout' AND s.revoked_at > now() - interval '10 seconds') IS TRUE AS "isJustLoggedOut",
  (s.idle_expires_at <= now() OR s.expires_at <= now()) AS "isExpired"`;

/** What an open session tells of itself and its user: all that a protected request needs, and no more. */
export const OPEN_ACCOUNT = `
  s.id, s.user_id AS "userId", s.delivery, s.generation, s.used_generation AS "usedGeneration",
  s.device_name AS "deviceName", s.user_agent AS "userAgent", s.ip, s.created_at AS "createdAt",
  s.authenticated_at AS "authenticatedAt", s.last_seen_at AS "lastSeenAt", s.idle_expires_at AS "idleExpiresAt",
  s.expires_at AS "expiresAt", u.email, u.name, u.role, u.email_verified_at AS "emailVerifiedAt",
  u.created_at AS "userCreatedAt", now() AS "readAt"`;

/** The columns of a session together with its user. */
export const ACCOUNT = `${OPEN_ACCOUNT},
  s.refresh_token_hash AS "refreshTokenHash", s.rotated_at AS "rotatedAt", s.revoked_at AS "revokedAt",
  s.revoked_reason AS "revokedReason", s.revoked_by AS "revokedBy", u.password_hash AS "passwordHash",
  u.disabled_at AS "disabledAt"`;

export type OpenAccountRow = OpenSession &
  Omit<UserProfile, 'id' | 'createdAt'> & { readonly userCreatedAt: Date; readonly readAt: Date };

export type AccountRow = Omit<Session, 'user'> &
  Omit<User, 'id' | 'createdAt'> & { readonly userCreatedAt: Date; readonly readAt: Date };

/** A session and whose it is, read at one moment. */
export interface Account {
  readonly session: Session;
  readonly user: User;
  /** When, by the database's clock: the one that all instances share. */
  readonly readAt: Date;
}

export function toAccount(row: AccountRow): Account {
  const { userId, email, name, role, passwordHash, emailVerifiedAt, disabledAt, userCreatedAt, readAt, ...session } =
    row;
  return {
    session: { ...session, userId },
    user: { id: userId, email, name, role, passwordHash, emailVerifiedAt, disabledAt, createdAt: userCreatedAt },
    readAt,
  };
}
