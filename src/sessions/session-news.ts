/** Where the database tells of sessions. The trigger on the audit trail, in a migration, names it too. */
export const SESSION_CHANNEL = 'latchkey_sessions';

/** Something happened to a session, and is committed. */
export interface SessionNews {
  readonly type: 'session_created' | 'session_refreshed' | 'session_renamed' | 'session_revoked';
  /** Of its line in the audit trail. Null for a refresh: the trail has only the first of a day. */
  readonly eventId: string | null;
  readonly userId: string;
  readonly sessionId: string;
  /** Why it was revoked; null for everything else. */
  readonly reason: string | null;
  /** Milliseconds since the epoch, by the database's clock. */
  readonly at: number;
}
