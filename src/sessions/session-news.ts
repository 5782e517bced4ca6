/** Where instances tell each other of sessions. */
export const SESSION_CHANNEL = 'latchkey_sessions';

/** The lines of the audit trail that are news, as SQL lists them. */
export const NEWS_TYPES = `'session_created', 'session_renamed', 'session_revoked'`;

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

/** What tells one piece of news from another. */
export type PastNews = Pick<SessionNews, 'at' | 'eventId' | 'sessionId'>;
