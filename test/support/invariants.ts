import assert from 'node:assert/strict';
import type { Api } from './api.js';
import type { TestDatabase } from './database.js';
import { ledger } from './ledger.js';

// What must hold of every database the service has worked on, whatever was done to it. Each finds the rows that break it.
const BROKEN: Record<string, string> = {
  'an ended session has its time, and a reason': `
    SELECT id FROM sessions WHERE (revoked_at IS NULL) <> (revoked_reason IS NULL)`,
  'the service ends for reuse, for the cap and after a restore, either in an incident, a person for everything else': `
    SELECT id FROM sessions
    WHERE revoked_at IS NOT NULL AND revoked_reason <> 'incident'
      AND (revoked_by IS NULL) <> (revoked_reason IN ('refresh_token_reuse', 'session_limit', 'backup_restored'))`,
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

export interface InvariantOptions {
  /** Where to ask with the tokens that were handed out; nowhere, if the service is gone. */
  readonly api?: Api;
  /** Whether the tests made faults, which 503 is the answer to. */
  readonly hasFaults?: boolean;
  /** Whether the tests took sessions away, or opened some elsewhere. */
  readonly hasMissingRows?: boolean;
}

const MOST_ASKED = 200;

/**
 * Checks what a service has left behind and what it said, after the tests that used it: its database, its answers and
 * its log. Fails with the name of what is broken, and where.
 */
export async function expectInvariants(
  database: Pick<TestDatabase, 'query'>,
  { api, hasFaults = false, hasMissingRows = false }: InvariantOptions = {},
): Promise<void> {
  for (const [invariant, sql] of Object.entries(BROKEN)) {
    assert.deepEqual(await database.query(sql), [], invariant);
  }
  const broken = {
    'no answer of 5xx but for a fault': hasFaults ? [] : ledger.failures,
    'no answer has a secret in it that is not for its caller': ledger.leaks,
    'no log has a secret in it': ledger.outputs.map((output) => ledger.findSecret(output())).filter(Boolean),
    'the trail has no secret in it': await secretsOfTrail(database),
    'every session that was handed out is there, and belongs to whom it was given': hasMissingRows
      ? []
      : await misplacedSessions(database),
    'no token of an ended session works': api ? await workingTokensOfEnded(database, api) : [],
  };
  for (const [invariant, found] of Object.entries(broken)) {
    assert.deepEqual(found, [], invariant);
  }
}

async function secretsOfTrail(database: Pick<TestDatabase, 'query'>): Promise<string[]> {
  const [trail] = await database.query<{ text: string }>(
    `SELECT coalesce(string_agg(row_to_json(a)::text, ' '), '') AS text FROM audit_events a`,
  );
  return [ledger.findSecret(trail!.text)].filter((secret) => secret !== null);
}

async function misplacedSessions(database: Pick<TestDatabase, 'query'>): Promise<string[]> {
  const rows = await database.query<{ id: string; user_id: string }>('SELECT id, user_id FROM sessions');
  const ownerOf = new Map(rows.map((row) => [row.id, row.user_id]));
  return [...ledger.sessions].filter(([id, { userId }]) => ownerOf.get(id) !== userId).map(([id]) => id);
}

async function workingTokensOfEnded(database: Pick<TestDatabase, 'query'>, api: Api): Promise<string[]> {
  const ended = await database.query<{ id: string }>(
    `SELECT id FROM sessions WHERE id = ANY($1::uuid[])
       AND (revoked_at IS NOT NULL OR expires_at <= now() OR idle_expires_at <= now())
     LIMIT ${MOST_ASKED}`,
    [[...ledger.sessions.keys()]],
  );
  const working: string[] = [];
  for (const { id } of ended) {
    const { accessToken, refreshToken } = ledger.sessions.get(id)!;
    const statuses = [
      (await api.me(accessToken)).status,
      (await api.call('GET', '/verify', { bearer: accessToken })).status,
    ];
    if (refreshToken !== null) statuses.push((await api.refresh(refreshToken)).status);
    if (statuses.some((status) => status !== 401)) working.push(`${id}: ${statuses.join(', ')}`);
  }
  return working;
}
