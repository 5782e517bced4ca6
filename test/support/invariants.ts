import type { TestDatabase } from './database.js';

// What must hold of every database the service has worked on, whatever was done to it. Each finds the rows that break it.
const BROKEN: Record<string, string> = {
  'an ended session has its time, and a reason': `
    SELECT id FROM sessions WHERE (revoked_at IS NULL) <> (revoked_reason IS NULL)`,
  'the service ends for reuse and for the cap, a person for everything else': `
    SELECT id FROM sessions
    WHERE revoked_at IS NOT NULL
      AND (revoked_by IS NULL) <> (revoked_reason IN ('refresh_token_reuse', 'session_limit'))`,
  'an ended session has exactly one line in the trail, with the same reason, actor and time': `
    SELECT s.id FROM sessions s
    WHERE s.revoked_at IS NOT NULL AND 1 <> (
      SELECT count(*) FROM audit_events a
      WHERE a.session_id = s.id AND a.type = 'session_revoked' AND a.reason = s.revoked_reason
        AND a.actor_id IS NOT DISTINCT FROM s.revoked_by AND a.at = s.revoked_at)`,
  'nothing says that a session ended which did not': `
    SELECT a.session_id FROM audit_events a JOIN sessions s ON s.id = a.session_id
    WHERE a.type = 'session_revoked' AND s.revoked_at IS NULL`,
  'a session was opened once, and belongs to whom it was opened for': `
    SELECT s.id FROM sessions s
    WHERE 1 <> (SELECT count(*) FROM audit_events a
                WHERE a.session_id = s.id AND a.type = 'session_created' AND a.user_id = s.user_id)
       OR EXISTS (SELECT FROM audit_events a WHERE a.session_id = s.id AND a.user_id <> s.user_id)`,
  'a generation is never used before it is there': `
    SELECT id FROM sessions WHERE used_generation > generation`,
  'a session that has rotated has a time for it': `
    SELECT id FROM sessions WHERE (generation = 1) <> (rotated_at IS NULL)`,
  'no two sessions share a refresh token': `
    SELECT refresh_token_hash FROM sessions GROUP BY refresh_token_hash HAVING count(*) > 1`,
};

/** Checks a database after the tests that used it. Fails with the name of what is broken and the rows. */
export async function expectInvariants(database: Pick<TestDatabase, 'query'>): Promise<void> {
  for (const [invariant, sql] of Object.entries(BROKEN)) {
    expect({ invariant, brokenBy: await database.query(sql) }).toEqual({ invariant, brokenBy: [] });
  }
}
