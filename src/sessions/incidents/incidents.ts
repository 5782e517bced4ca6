import sql, { empty, type Sql } from 'sql-template-tag';
import { MATCHES } from '../../database/open-incidents.sql.js';
import type { Database } from '../../database/database.js';
import type { Transaction } from '../../database/transaction.js';
import type { RequestSource } from '../../http/request-source.js';
import { codeOf } from '../../problems/error-code.js';
import type { Role } from '../../users/user.entity.js';
import { ACTIVE, NOT_ENDED } from '../sessions.sql.js';

const QUERY_CANCELED = '57014';

/** Which sessions. What is left out excludes none, so that an empty one has them all. Times are as SQL takes them. */
export interface IncidentFilter {
  readonly createdBefore?: string | undefined;
  readonly createdAfter?: string | undefined;
  readonly authenticatedBefore?: string | undefined;
  /** This one exactly, as users have it while the incident runs. */
  readonly role?: Role | undefined;
  /** An address or a network of those from which devices signed in. */
  readonly network?: string | undefined;
  readonly userIds?: readonly string[] | undefined;
}

/** Who opens an incident, and why: null for the shell. */
export interface IncidentOpener {
  readonly actorId: string | null;
  readonly reason: string;
  readonly source: RequestSource | null;
}

/** How far an incident is. */
export interface IncidentProgress {
  readonly id: string;
  readonly reason: string;
  readonly openedBy: string | null;
  readonly filter: IncidentFilter;
  /** How many sessions were open that matched; null where that is not counted yet. */
  readonly matches: number | null;
  readonly ended: number;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
}

const columnsOf = (filter: IncidentFilter): Sql => sql`
  ${filter.createdBefore ?? null}::timestamptz(3) AS created_before,
  ${filter.createdAfter ?? null}::timestamptz(3) AS created_after,
  ${filter.authenticatedBefore ?? null}::timestamptz(3) AS authenticated_before,
  ${filter.role ?? null}::text AS role,
  network(${filter.network ?? null}::inet)::cidr AS network,
  ${filter.userIds ?? null}::uuid[] AS user_ids`;

/**
 * What {@link MATCHES} says of users once more, as PostgreSQL can look it up in an index: so that an incident of few users reads
 * their sessions alone.
 */
export const ofUsers = (userIds: readonly string[] | null | undefined): Sql =>
  userIds ? sql`AND s.user_id = ANY(${userIds}::uuid[])` : empty;

/**
 * How many active sessions an incident of this filter would end now. Null where they are too many to be counted within the
 * statement timeout: that must keep nobody from ending them.
 */
export async function countMatching(database: Database, filter: IncidentFilter): Promise<number | null> {
  try {
    const { rows } = await database.query<{ count: number }>(sql`
      SELECT count(*)::integer AS count
      FROM (SELECT now() AS at, ${columnsOf(filter)} OFFSET 0) i JOIN sessions s ON ${MATCHES} ${ofUsers(filter.userIds)}
      WHERE ${ACTIVE}`);
    return rows[0]?.count ?? 0;
  } catch (error) {
    if (codeOf(error) !== QUERY_CANCELED) throw error;
    return null;
  }
}

/**
 * Opens an incident: from the commit of the transaction on no session that matches is trusted, and {@link IncidentWorker}, or
 * whoever calls `endBatch`, ends their rows. Sessions that are opened after it are not touched. Returns its id.
 */
export async function openIncident(
  transaction: Transaction,
  filter: IncidentFilter,
  { actorId, reason, source }: IncidentOpener,
): Promise<string> {
  const { rows } = await transaction.query<{ id: string }>(sql`
    WITH opened AS (
      INSERT INTO incidents (at, reason, opened_by, request_id, created_before, created_after, authenticated_before,
        role, network, user_ids)
      SELECT date_trunc('milliseconds', clock_timestamp()) + interval '1 millisecond', ${reason}, ${actorId}::uuid,
        ${source?.requestId ?? null}, f.* FROM (SELECT ${columnsOf(filter)}) f
      RETURNING *
    ), recorded AS (
      INSERT INTO audit_events (type, outcome, actor_id, note, ip, user_agent, request_id)
      SELECT 'incident_opened', 'success', opened_by, id || ${`: ${noteOf(filter, reason)}`}::text, ${source?.ip ?? null},
        ${source?.userAgent ?? null}, request_id
      FROM opened
    )
    SELECT id FROM opened`);
  // Sessions have the time of their insertion, to the millisecond. Those that do not see the incident are not later than it,
  // and those that are opened once it is committed are, however times are rounded.
  await transaction.query(sql`SELECT pg_sleep(0.003)`);
  return rows[0]?.id ?? '';
}

/** Counts the sessions that an incident ends, once. Throws where that takes too long: then it goes on uncounted. */
export async function countOfIncident(
  database: Database,
  id: string,
  { userIds }: IncidentFilter,
): Promise<number | null> {
  // In one snapshot, since its rows are being ended meanwhile.
  const { rows } = await database.query<{ matches: number | null }>(sql`
    SELECT (max(i.ended) + count(s.id))::integer AS matches
    FROM incidents i LEFT JOIN sessions s ON ${MATCHES} AND ${NOT_ENDED} ${ofUsers(userIds)}
    WHERE i.id = ${id}`);
  const matches = rows[0]?.matches ?? null;
  const counted = await database.query<{ matches: number }>(sql`
    UPDATE incidents SET matches = ${matches}::integer WHERE id = ${id} AND matches IS NULL RETURNING matches`);
  return counted.rows[0]?.matches ?? matches;
}

/** Whether rows of any are left to be ended. */
export async function hasOpenIncident(database: Database): Promise<boolean> {
  const { rowCount } = await database.prepared(
    'open_incident',
    sql`SELECT FROM incidents WHERE finished_at IS NULL LIMIT 1`,
  );
  return rowCount > 0;
}

/** An incident and how far it is. Null if there is none with this id. */
export async function findIncident(database: Database, id: string): Promise<IncidentProgress | null> {
  const { rows } = await database.query<IncidentProgress>(
    sql`SELECT id, reason, opened_by AS "openedBy", matches, ended, at AS "startedAt", finished_at AS "finishedAt",
          jsonb_strip_nulls(jsonb_build_object(
            'createdBefore', ${inUtc(sql`created_before`)}, 'createdAfter', ${inUtc(sql`created_after`)},
            'authenticatedBefore', ${inUtc(sql`authenticated_before`)}, 'role', role, 'network', network,
            'userIds', user_ids
          )) AS filter
        FROM incidents WHERE id = ${id}`,
  );
  return rows[0] ?? null;
}

const inUtc = (time: Sql): Sql => sql`to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

// The filter belongs to the line, which outlives everything else. Of many users their number is enough: each has a line.
const noteOf = ({ userIds, ...others }: IncidentFilter, reason: string): string =>
  `${reason} ${JSON.stringify({ ...others, ...(userIds && { userIds: userIds.length }) })}`;
