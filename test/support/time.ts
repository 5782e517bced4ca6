// Tests do not wait for what takes minutes or days: they move the times that are kept. Spans are intervals of PostgreSQL,
// such as '91 days'.

interface Database {
  query(sql: string, values: unknown[]): Promise<unknown>;
}

/** The idle end of a session was so long ago. */
export const expireIdle = (database: Database, sessionId: string, ago = '1 second') =>
  database.query(`UPDATE sessions SET idle_expires_at = now() - interval '${ago}' WHERE id = $1`, [sessionId]);

/** The absolute end of a session was so long ago. */
export const expire = (database: Database, sessionId: string, ago = '1 second') =>
  database.query(`UPDATE sessions SET expires_at = now() - interval '${ago}' WHERE id = $1`, [sessionId]);

/** The idle end of a session comes so long from now, unless a refresh puts it off. */
export const expireIdleIn = (database: Database, sessionId: string, span: string) =>
  database.query(`UPDATE sessions SET idle_expires_at = now() + interval '${span}' WHERE id = $1`, [sessionId]);

/** The absolute end of a session comes so long from now. */
export const expireIn = (database: Database, sessionId: string, span: string) =>
  database.query(`UPDATE sessions SET expires_at = now() + interval '${span}' WHERE id = $1`, [sessionId]);

/** A session was seen for the last time so long ago. */
export const leaveUnseen = (database: Database, sessionId: string, ago: string) =>
  database.query(`UPDATE sessions SET last_seen_at = now() - interval '${ago}' WHERE id = $1`, [sessionId]);

/** One thing that happened to a session happened so much earlier than it did. */
export const age = (database: Database, sessionId: string, column: 'rotated_at' | 'rotation_window_at', span: string) =>
  database.query(`UPDATE sessions SET ${column} = ${column} - interval '${span}' WHERE id = $1`, [sessionId]);

/** Every change of a user's address happened so much earlier than it did. */
export const ageEmailChanges = (database: Database, userId: string, span: string) =>
  database.query(`UPDATE email_changes SET changed_at = changed_at - interval '${span}' WHERE user_id = $1`, [userId]);

/** Everything that happened to the signing keys, and is to happen, does so much earlier. */
export const ageKeys = (database: Database, span: string) =>
  database.query(
    `UPDATE signing_keys SET created_at = created_at - interval '${span}', signs_from = signs_from - interval '${span}',
       accepted_until = accepted_until - interval '${span}'`,
    [],
  );

/**
 * Runs what is asked of a session that seems to have been revoked so much earlier. Its time is put back, since its line in the
 * trail keeps the true one. The owner of the table alone can do so.
 */
export async function asIfRevokedEarlier<T>(
  database: Database,
  sessionId: string,
  span: string,
  ask: () => Promise<T>,
): Promise<T> {
  const shift = async (sign: '-' | '+') => {
    await database.query('ALTER TABLE sessions DISABLE TRIGGER sessions_stay_revoked', []);
    await database.query(`UPDATE sessions SET revoked_at = revoked_at ${sign} interval '${span}' WHERE id = $1`, [
      sessionId,
    ]);
    await database.query('ALTER TABLE sessions ENABLE ALWAYS TRIGGER sessions_stay_revoked', []);
  };
  await shift('-');
  try {
    return await ask();
  } finally {
    await shift('+');
  }
}
