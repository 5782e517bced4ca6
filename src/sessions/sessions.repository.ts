import { Injectable } from '@nestjs/common';
import sql, { empty, type Sql } from 'sql-template-tag';
import { In, Repository } from 'typeorm';
import { InjectOurRepository } from '../database/data-source.js';
import type { RequestSource } from '../http/request-source.js';
import { Database } from '../database/database.js';
import { Notifications } from '../database/notifications.js';
import type { Transaction } from '../database/transaction.js';
import { SESSION_CHANNEL, type SessionEvent } from './session-event.js';
import { SESSION_COLUMNS } from './session-with-user.js';
import { Session } from './session.entity.js';
import { ACTIVE, AUDIT_COLUMNS, eventsOf, RECORDED, sourceValues } from './sessions.sql.js';

/** A session that has ended, and when. */
export interface EndedSession {
  readonly session: Session;
  readonly endedAt: Date;
}

export interface SessionsPage {
  /** Sessions after this one, in the order of the list. */
  readonly after?: { readonly createdAt: string; readonly id: string };
  readonly limit: number;
}

/** A user's sessions: which are active, their lists and their names. */
@Injectable()
export class SessionsRepository {
  constructor(
    @InjectOurRepository(Session) private readonly sessions: Repository<Session>,
    private readonly database: Database,
    private readonly notifications: Notifications,
  ) {}

  /** Active sessions of a user: the given one first, then the newest. One more than the limit, if there are more. */
  async listActive(userId: string, currentId: string, { after, limit }: SessionsPage): Promise<Session[]> {
    const others = sql`
      SELECT ${SESSION_COLUMNS} FROM sessions s
      WHERE s.user_id = ${userId} AND ${ACTIVE} AND s.id <> ${currentId} ${
        after ? sql`AND (s.created_at, s.id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : empty
      }
      ORDER BY s.created_at DESC, s.id DESC
      LIMIT ${limit + 1}`;
    const { rows } = await this.database.query<Session>(
      after ? others : withFirst(userId, currentId, others, limit + 1),
    );
    return rows;
  }

  /** Sessions of a user that ended in the last 90 days: the newest end first. One more than the limit, if there are more. */
  async listEnded(userId: string, { after, limit }: SessionsPage): Promise<EndedSession[]> {
    const { rows } = await this.database.query<Session & { endedAt: Date }>(sql`
      SELECT * FROM (
        SELECT ${SESSION_COLUMNS},
          coalesce(s.revoked_at, least(s.idle_expires_at, s.expires_at)) AS "endedAt"
        FROM sessions s WHERE s.user_id = ${userId}
      ) ended
      WHERE "endedAt" <= now() AND "endedAt" > now() - interval '90 days' ${
        after ? sql`AND ("endedAt", id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : empty
      }
      ORDER BY "endedAt" DESC, id DESC
      LIMIT ${limit + 1}`);
    return rows.map(({ endedAt, ...session }) => ({ session, endedAt }));
  }

  /** The id of every session of a user that is still kept, ended or not, oldest first. */
  async listIds(userId: string): Promise<string[]> {
    const { rows } = await this.database.query<{ id: string }>(sql`
      SELECT id FROM sessions WHERE user_id = ${userId} ORDER BY created_at, id`);
    return rows.map(({ id }) => id);
  }

  /** Those of these sessions that are still kept, oldest first. */
  async listByIds(ids: readonly string[]): Promise<Session[]> {
    return this.sessions.find({ where: { id: In(ids) }, order: { createdAt: 'ASC', id: 'ASC' } });
  }

  /**
   * Whether a session of a user is active, as part of a transaction. Locks the user's row first, and keeps it: a change
   * that ends sessions and what they asked for either committed before this, and is seen, or waits.
   */
  async isActiveWithin(transaction: Transaction, id: string, userId: string): Promise<boolean> {
    await transaction.query(sql`SELECT FROM users WHERE id = ${userId} FOR NO KEY UPDATE`);
    const { rowCount } = await transaction.query(sql`
      SELECT FROM sessions s WHERE s.id = ${id} AND s.user_id = ${userId} AND ${ACTIVE}`);
    return rowCount > 0;
  }

  /** Names a device. Null if the user has no active session with this id. */
  async rename(id: string, userId: string, deviceName: string, source: RequestSource): Promise<Session | null> {
    const { rows } = await this.database.query<Session & { events: SessionEvent[] }>(sql`
      WITH renamed AS (
        UPDATE sessions s SET device_name = ${deviceName}
        WHERE s.id = ${id} AND s.user_id = ${userId} AND ${ACTIVE}
        RETURNING ${SESSION_COLUMNS}
      ), recorded AS (
        INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
        SELECT 'session_renamed', 'success', "userId", id, "userId", ${sourceValues(source)} FROM renamed
        RETURNING ${AUDIT_COLUMNS}
      )
      SELECT renamed.*, ${eventsOf(RECORDED)} FROM renamed`);
    const [row] = rows;
    if (!row) {
      return null;
    }
    const { events, ...session } = row;
    this.notifications.notify(SESSION_CHANNEL, events);
    return session;
  }
}

// Apart from the others: those are in the order of an index then, and only as many are read as the page has.
const withFirst = (userId: string, id: string, others: Sql, limit: number): Sql => sql`
      SELECT * FROM (
        (SELECT ${SESSION_COLUMNS} FROM sessions s WHERE s.id = ${id} AND s.user_id = ${userId} AND ${ACTIVE})
        UNION ALL
        (${others})
      ) listed
      ORDER BY id = ${id} DESC, "createdAt" DESC, id DESC
      LIMIT ${limit}`;
