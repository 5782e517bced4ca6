import sql from 'sql-template-tag';

// The one place that says which sessions an incident is about: here, since mailed links ask it too. `s` is sessions, `i` is
// incidents. What a filter leaves out excludes nothing.

/** Whether a session is one that an incident ends. One that was opened after the incident never is. */
export const MATCHES = sql`s.created_at <= i.at
      AND (i.created_before IS NULL OR s.created_at < i.created_before)
      AND (i.created_after IS NULL OR s.created_at >= i.created_after)
      AND (i.authenticated_before IS NULL OR s.authenticated_at < i.authenticated_before)
      AND (i.user_ids IS NULL OR s.user_id = ANY(i.user_ids))
      AND (i.network IS NULL OR is_in_network(s.ip, i.network))
      AND (i.role IS NULL OR i.role = (SELECT m.role FROM users m WHERE m.id = s.user_id))`;

/**
 * Whether a session is to be ended by an incident that has not ended all of its own yet: it is over, whatever its row says.
 * The first part is asked once for a statement, so that the rest costs nothing while no incident is open.
 */
export const IS_IN_OPEN_INCIDENT = sql`((SELECT EXISTS (SELECT FROM incidents WHERE finished_at IS NULL))
    AND EXISTS (SELECT FROM incidents i WHERE i.finished_at IS NULL AND ${MATCHES}))`;
