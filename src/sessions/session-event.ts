import sql from 'sql-template-tag';

/** Where instances notify each other of what happens to sessions. */
export const SESSION_CHANNEL = 'latchkey_sessions';

/** Where instances notify each other of incidents, each as its id. */
export const INCIDENT_CHANNEL = 'latchkey_incidents';

const TYPES = new Set<unknown>(['session_created', 'session_refreshed', 'session_renamed', 'session_revoked']);

/** Something happened to a session, and is committed. */
export interface SessionEvent {
  readonly type: 'session_created' | 'session_refreshed' | 'session_renamed' | 'session_revoked';
  /** Of its row in the audit trail. Null for a refresh: the trail has only the first of a day. */
  readonly eventId: string | null;
  readonly userId: string;
  readonly sessionId: string;
  /** Why it was revoked; null for everything else. */
  readonly reason: string | null;
  /** Milliseconds since the epoch, by the database's clock. */
  readonly at: number;
}

/** What distinguishes one event from another. */
export type SessionEventKey = Pick<SessionEvent, 'at' | 'eventId' | 'sessionId'>;

/** The types of which the audit trail has each event. */
export const AUDITED_TYPES = sql`'session_created', 'session_renamed', 'session_revoked'`;

/** SQL for a {@link SessionEvent} as JSON, from `e`, which has these columns of the audit trail. */
export const SESSION_EVENT = sql`json_build_object(
  'eventId', e.id, 'type', e.type, 'userId', e.user_id, 'sessionId', e.session_id, 'reason', e.reason,
  'at', floor(extract(epoch FROM e.at) * 1000))`;

/** Whether what came from the database, or from another instance that may be of another version, is such an event. */
export function isSessionEvent(value: unknown): value is SessionEvent {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const { type, eventId, userId, sessionId, reason, at }: Partial<Record<keyof SessionEvent, unknown>> = value;
  return (
    TYPES.has(type) &&
    (eventId === null || typeof eventId === 'string') &&
    typeof userId === 'string' &&
    typeof sessionId === 'string' &&
    (reason === null || typeof reason === 'string') &&
    typeof at === 'number'
  );
}
