import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { Notifications } from '../database/notifications.js';
import { PreparedStatements } from '../database/prepared-statements.js';
import { ReservedConnections } from '../database/reserved-connections.js';
import type { Transaction } from '../database/transactions.js';
import type { User, UserProfile } from '../users/user.entity.js';
import { describeDevice, fingerprintOf } from './device-label.js';
import type { AuthenticRefreshToken } from './refresh/refresh-token.js';
import { SESSION_CHANNEL, type SessionNews } from './session-news.js';
import { type OpenSession, type RevocationReason, Session, type TokenDelivery } from './session.entity.js';
import { sessionOpened, sessionsRevoked } from './sessions.measurements.js';
import {
  ACCOUNT,
  ACTIVE,
  type Account,
  type AccountRow,
  end,
  honoursPredecessor,
  isWatched,
  LINE,
  newsOf,
  OPEN_ACCOUNT,
  type OpenAccountRow,
  type RevocationParameters,
  STATE,
  toAccount,
} from './sessions.sql.js';

export interface NewSession {
  readonly id: string;
  readonly userId: string;
  /** The hash the password was verified against. */
  readonly passwordHash: string;
  readonly refreshTokenHash: Buffer;
  readonly delivery: TokenDelivery;
  readonly deviceName: string | null;
}

/** How the database sees a session at the moment it was asked. */
interface State {
  /** Ended on purpose, or its user disabled. */
  readonly isRevoked: boolean;
  /** By a logout, seconds ago. */
  readonly isJustLoggedOut: boolean;
  /** Past its idle or absolute end. */
  readonly isExpired: boolean;
}

/** The same, with all that a refresh must know. */
export interface RefreshState extends State, Account {
  readonly honoursPredecessor: boolean;
}

/** The same, with all that a protected request must know. */
export interface SessionState extends State {
  readonly session: OpenSession;
  readonly user: UserProfile;
  /** When, by the database's clock. */
  readonly readAt: Date;
  /** Last seen more than a minute ago. */
  readonly isSeenLongAgo: boolean;
}

/** Whose a session is. */
export type SessionOwner = Pick<User, 'id' | 'email'>;

/** A session that is over, by revocation or expiry, and since when. */
export interface EndedSession {
  readonly session: Session;
  readonly endedAt: Date;
}

/** Somebody came with a token of a session that was ended. */
export interface EndedUse extends RequestSource {
  readonly sessionId: string;
  readonly userId: string;
}

/** What a statement found that is to be told once it is committed; null where nobody watches. */
interface Told {
  readonly news: SessionNews[] | null;
}

type StateRow = OpenAccountRow & State & Pick<SessionState, 'isSeenLongAgo'>;

export interface SessionsPage {
  /** Sessions after this one, in the order of the list. */
  readonly after?: { readonly createdAt: string; readonly id: string };
  readonly limit: number;
}

// A presented token is honoured if it is the current one, or the predecessor of it and still good.
// $5 session, $6 delivery, $7 generation, $8 its hash, $9 the possible hashes of its successor, $10 grace.
const PRESENTED = `s.id = $5 AND s.delivery = $6 AND (
  (s.generation = $7 AND s.refresh_token_hash = $8)
  OR (s.generation = $7 + 1 AND s.refresh_token_hash = ANY($9::bytea[]) AND ${honoursPredecessor('$10')})
)`;

// The minute in which the rotations of a session are counted.
const IN_WINDOW = `s.rotation_window_at > now() - interval '1 minute'`;
const UNLIMITED = 2 ** 31 - 1;
/** How long a device is not news. */
export const DEVICE_KNOWN_DAYS = 90;
const DAY = (time: string) => `(${time} AT TIME ZONE 'UTC')::date`;

@Injectable()
export class SessionsRepository {
  constructor(
    @InjectRepository(Session) private readonly sessions: Repository<Session>,
    private readonly prepared: PreparedStatements,
    private readonly config: AppConfig,
    private readonly reserved: ReservedConnections,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Inserts a session, and ends the user's least recently seen ones beyond the cap. Null if the user is gone or
   * disabled, or the password is no longer the one that was verified. A device that was not seen in 90 days is told to
   * the user by mail, unless it is the first of an account that was made a day ago at most.
   *
   * The user's row is locked first and the rest sees what committed before: parallel logins pass one at a time, so
   * the cap holds, and a login cannot slip past a password change or a disabling that is under way.
   */
  async open(transaction: Transaction, session: NewSession, source: RequestSource): Promise<Account | null> {
    const { sessionAbsoluteTtlSeconds, sessionIdleTtlSeconds, maxSessionsPerUser } = this.config;

    const users = await transaction.query<unknown[]>(
      `SELECT id FROM users WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL FOR NO KEY UPDATE`,
      [session.userId, session.passwordHash],
    );
    if (users.length === 0) {
      return null;
    }

    const surplus = `s.id IN (
      SELECT s.id FROM sessions s WHERE s.user_id = $5 AND ${ACTIVE}
      ORDER BY s.last_seen_at DESC, s.created_at DESC, s.id DESC OFFSET $6::integer - 1)`;
    const [row] = await transaction.query<(AccountRow & Told & { surplusCount: number })[]>(
      `WITH ${end(surplus, 'NULL::uuid')}, opened AS (
         INSERT INTO sessions
           (id, user_id, refresh_token_hash, delivery, device_name, ip, user_agent, expires_at, idle_expires_at)
         VALUES ($7, $5, $8, $9, $10, $2, $3, now() + make_interval(secs => $11::double precision),
           now() + make_interval(secs => least($11, $12)::double precision))
         RETURNING *
       ), announced AS (
         INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
         SELECT type, 'success', user_id, id, user_id, $2, $3, $4
         FROM opened, unnest(ARRAY['login_succeeded', 'session_created']) AS type
         RETURNING ${LINE}
       ), known AS (
         SELECT EXISTS (
           SELECT FROM known_devices WHERE user_id = $5 AND fingerprint = $13
             AND last_seen_at > now() - make_interval(days => ${DEVICE_KNOWN_DAYS})
         ) AS is_known, EXISTS (SELECT FROM sessions WHERE user_id = $5) AS has_others
       ), noted AS (
         INSERT INTO known_devices (user_id, fingerprint) SELECT $5, $13 FROM opened
         ON CONFLICT (user_id, fingerprint) DO UPDATE SET last_seen_at = now()
       ), mailed AS (
         INSERT INTO mails (kind, recipient, user_id, session_id, details)
         SELECT 'new_device', u.email, u.id, o.id, jsonb_build_object('device', $14::text, 'ip', $2::text)
         FROM opened o JOIN users u ON u.id = o.user_id, known
         WHERE NOT is_known AND (has_others OR u.created_at < now() - interval '1 day')
       )
       SELECT ${ACCOUNT}, (SELECT count(*) FROM ended)::integer AS "surplusCount",
         ${newsOf('SELECT * FROM recorded UNION ALL SELECT * FROM announced')}
       FROM opened s JOIN users u ON u.id = s.user_id`,
      [
        ...revocation('session_limit', source),
        session.userId,
        maxSessionsPerUser,
        session.id,
        session.refreshTokenHash,
        session.delivery,
        session.deviceName,
        sessionAbsoluteTtlSeconds,
        sessionIdleTtlSeconds,
        fingerprintOf(source),
        describeDevice(source.userAgent).label,
      ],
    );
    if (!row) {
      return null;
    }
    const { surplusCount, news, ...account } = row;
    transaction.afterCommit(() => {
      sessionOpened.record({ delivery: session.delivery });
      this.tellEnded('session_limit', surplusCount);
      this.tell(news);
    });
    return toAccount(account);
  }

  /**
   * Moves a session on to its next generation. Null if the token is not its current one, was delivered otherwise, the
   * session is over, or its rotations of this minute are used up. The first rotation of a day is told to the audit trail.
   *
   * One statement, so there is nothing to race: of all concurrent callers with one token, exactly one changes the row.
   */
  async rotate(
    token: AuthenticRefreshToken,
    delivery: TokenDelivery,
    successorHash: Buffer,
    { ip, userAgent, requestId }: RequestSource,
  ): Promise<Account | null> {
    const [row] = await this.prepared.query<AccountRow & { isWatched: boolean }>(
      'session_rotation',
      `WITH before AS (
         SELECT rotated_at FROM sessions WHERE id = $1
       ), rotated AS (
         UPDATE sessions s SET
           generation = s.generation + 1, refresh_token_hash = $5, rotated_at = now(), last_seen_at = now(),
           idle_expires_at = least(now() + make_interval(secs => $6::double precision), s.expires_at),
           rotation_count = CASE WHEN ${IN_WINDOW} THEN s.rotation_count + 1 ELSE 1 END,
           rotation_window_at = CASE WHEN ${IN_WINDOW} THEN s.rotation_window_at ELSE now() END
         FROM users u
         WHERE s.id = $1 AND s.delivery = $2 AND s.generation = $3 AND s.refresh_token_hash = $4 AND ${ACTIVE}
           AND (s.rotation_count < $7 OR NOT coalesce(${IN_WINDOW}, false))
           AND u.id = s.user_id AND u.disabled_at IS NULL
         RETURNING ${ACCOUNT}
       ), recorded AS (
         INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
         SELECT 'session_refreshed', 'success', "userId", id, "userId", $8, $9, $10 FROM rotated
         WHERE NOT EXISTS (SELECT FROM before WHERE ${DAY('rotated_at')} = ${DAY('now()')})
       )
       SELECT rotated.*, ${isWatched('rotated."userId"')} AS "isWatched" FROM rotated`,
      [
        token.sessionId,
        delivery,
        token.generation,
        token.hash,
        successorHash,
        this.config.sessionIdleTtlSeconds,
        this.config.hasRateLimits ? this.config.refreshesPerSession : UNLIMITED,
        ip,
        userAgent,
        requestId,
      ],
    );
    if (!row) {
      return null;
    }
    const { isWatched: hasWatchers, ...columns } = row;
    const account = toAccount(columns);
    if (hasWatchers) {
      this.tell([refreshed(account)]);
    }
    return account;
  }

  /**
   * How many milliseconds until a session may rotate again; null if nothing but the limit's end keeps it from doing so.
   * The first refusal of a minute is told to the audit trail.
   */
  async findRotationDelay(id: string, { ip, userAgent, requestId }: RequestSource): Promise<number | null> {
    const [row] = await this.sessions.query<{ milliseconds: number }[]>(
      `WITH full_window AS (
         SELECT s.id, s.user_id, s.rotation_window_at FROM sessions s
         WHERE s.id = $1 AND s.rotation_count >= $2 AND ${IN_WINDOW}
       ), recorded AS (
         INSERT INTO audit_events (type, outcome, user_id, session_id, reason, ip, user_agent, request_id)
         SELECT 'refresh_throttled', 'failure', user_id, id, 'session', $3, $4, $5 FROM full_window f
         WHERE NOT EXISTS (
           SELECT FROM audit_events a
           WHERE a.session_id = f.id AND a.type = 'refresh_throttled' AND a.at >= f.rotation_window_at
         )
       )
       SELECT ceil(1000 * extract(epoch FROM rotation_window_at + interval '1 minute' - now()))::integer AS milliseconds
       FROM full_window`,
      [id, this.config.refreshesPerSession, ip, userAgent, requestId],
    );
    return row?.milliseconds ?? null;
  }

  /**
   * How things stand with sessions, ended or not, in one statement. Ids without a session are left out. Nothing else
   * that the service asks keeps this waiting.
   */
  async findStates(ids: readonly string[]): Promise<SessionState[]> {
    const rows = await this.reserved.query<StateRow>(
      'session_states',
      `SELECT ${OPEN_ACCOUNT}, ${STATE}, s.last_seen_at < now() - interval '1 minute' AS "isSeenLongAgo"
       FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ANY($1::uuid[])`,
      [ids],
    );
    return rows.map(toState);
  }

  /** How things stand with one session, for whoever presents a refresh token of it. Null if there is none. */
  async findRefreshState(id: string): Promise<RefreshState | null> {
    const [row] = await this.sessions.query<(AccountRow & Omit<RefreshState, keyof Account>)[]>(
      `SELECT ${ACCOUNT}, ${STATE}, ${honoursPredecessor('$2')} AS "honoursPredecessor"
       FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1`,
      [id, this.config.refreshGraceSeconds],
    );
    if (!row) {
      return null;
    }
    const { isRevoked, isJustLoggedOut, isExpired, honoursPredecessor: honours, ...account } = row;
    return { ...toAccount(account), isRevoked, isJustLoggedOut, isExpired, honoursPredecessor: honours };
  }

  /** Active sessions of a user: the given one first, then the newest. One more than the limit, if there are more. */
  async listActive(userId: string, currentId: string, { after, limit }: SessionsPage): Promise<Session[]> {
    const rows = await this.sessions.query<AccountRow[]>(
      `SELECT ${ACCOUNT} FROM sessions s JOIN users u ON u.id = s.user_id
       WHERE s.user_id = $1 AND ${ACTIVE}
         AND ($3::timestamptz IS NULL OR (s.id <> $2 AND (s.created_at, s.id) < ($3, $4::uuid)))
       ORDER BY s.id = $2 DESC, s.created_at DESC, s.id DESC
       LIMIT $5`,
      [userId, currentId, after?.createdAt ?? null, after?.id ?? null, limit + 1],
    );
    return rows.map((row) => toAccount(row).session);
  }

  /** Sessions of a user that ended in the last 90 days: the newest end first. One more than the limit, if there are more. */
  async listEnded(userId: string, { after, limit }: SessionsPage): Promise<EndedSession[]> {
    const rows = await this.sessions.query<(AccountRow & { endedAt: Date })[]>(
      `SELECT * FROM (
         SELECT ${ACCOUNT}, coalesce(s.revoked_at, least(s.idle_expires_at, s.expires_at)) AS "endedAt"
         FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = $1
       ) ended
       WHERE "endedAt" <= now() AND "endedAt" > now() - interval '90 days'
         AND ($2::timestamptz IS NULL OR ("endedAt", id) < ($2, $3::uuid))
       ORDER BY "endedAt" DESC, id DESC
       LIMIT $4`,
      [userId, after?.createdAt ?? null, after?.id ?? null, limit + 1],
    );
    return rows.map(({ endedAt, ...row }) => ({ session: toAccount(row).session, endedAt }));
  }

  /** The id of every session of a user that is still kept, ended or not, oldest first. */
  async listIds(userId: string): Promise<string[]> {
    const rows = await this.sessions.query<{ id: string }[]>(
      'SELECT id FROM sessions WHERE user_id = $1 ORDER BY created_at, id',
      [userId],
    );
    return rows.map(({ id }) => id);
  }

  /** Those of these sessions that are still kept, oldest first. */
  async listByIds(ids: readonly string[]): Promise<Session[]> {
    return this.sessions.find({ where: { id: In(ids) }, order: { createdAt: 'ASC', id: 'ASC' } });
  }

  /** Names a device. Null if the user has no active session with this id. */
  async rename(
    id: string,
    userId: string,
    deviceName: string,
    { ip, userAgent, requestId }: RequestSource,
  ): Promise<Session | null> {
    const [row] = await this.sessions.query<(AccountRow & Told)[]>(
      `WITH renamed AS (
         UPDATE sessions s SET device_name = $3 FROM users u
         WHERE s.id = $1 AND s.user_id = $2 AND ${ACTIVE} AND u.id = s.user_id
         RETURNING ${ACCOUNT}
       ), recorded AS (
         INSERT INTO audit_events (type, outcome, user_id, session_id, actor_id, ip, user_agent, request_id)
         SELECT 'session_renamed', 'success', "userId", id, "userId", $4, $5, $6 FROM renamed
         RETURNING ${LINE}
       )
       SELECT renamed.*, ${newsOf('SELECT * FROM recorded')} FROM renamed`,
      [id, userId, deviceName, ip, userAgent, requestId],
    );
    if (!row) {
      return null;
    }
    const { news, ...account } = row;
    this.tell(news);
    return toAccount(account).session;
  }

  /** Ends one session of a user. How many it ended: 0 if it was not theirs or not active. */
  async end(id: string, userId: string, reason: RevocationReason, source: RequestSource): Promise<number> {
    return this.countEnded('end_session', `WITH ${end('s.id = $5 AND s.user_id = $6', 's.user_id')}`, [
      ...revocation(reason, source),
      id,
      userId,
    ]);
  }

  /** Ends all sessions of a user, but for one where given. How many it ended. */
  async endAllOf(
    userId: string,
    exceptId: string | null,
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<number> {
    const which = 's.user_id = $5 AND s.id IS DISTINCT FROM $6::uuid';
    return this.countEnded('end_sessions_of_user', `WITH ${end(which, 's.user_id')}`, [
      ...revocation(reason, source),
      userId,
      exceptId,
    ]);
  }

  /**
   * Whether a session of a user is active, as part of a transaction. Locks the user's row first, and keeps it: whatever
   * ends sessions and what they asked for either committed before this, and is seen, or waits.
   */
  async isActiveWithin(transaction: Transaction, id: string, userId: string): Promise<boolean> {
    await transaction.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId]);
    const rows = await transaction.query<unknown[]>(
      `SELECT FROM sessions s WHERE s.id = $1 AND s.user_id = $2 AND ${ACTIVE}`,
      [id, userId],
    );
    return rows.length > 0;
  }

  /** Forgets which devices a user has signed in from: the next sign-in of each is told by mail. */
  async forgetDevices(transaction: Transaction, userId: string): Promise<void> {
    await transaction.query('DELETE FROM known_devices WHERE user_id = $1', [userId]);
  }

  /** Ends one session as part of a transaction. Whose it was, or null if it was not active. */
  async endOneWithin(
    transaction: Transaction,
    { id, actorId }: { id: string; actorId: string },
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<SessionOwner | null> {
    const [row] = await transaction.query<(SessionOwner & Told)[]>(
      `WITH ${end('s.id = $5', '$6::uuid')}
       SELECT u.id, u.email, ${newsOf('SELECT * FROM recorded')} FROM ended e JOIN users u ON u.id = e.user_id`,
      [...revocation(reason, source), id, actorId],
    );
    if (!row) {
      return null;
    }
    const { news, ...owner } = row;
    transaction.afterCommit(() => {
      this.tellEnded(reason, 1);
      this.tell(news);
    });
    return owner;
  }

  /** Ends all sessions of a user, as part of a transaction that locked the user's row. Their ids. */
  async endAllWithin(
    transaction: Transaction,
    { userId, actorId }: { userId: string; actorId: string },
    reason: RevocationReason,
    source: RequestSource,
  ): Promise<string[]> {
    const [{ ids, news }] = await transaction.query<[Told & { ids: string[] }]>(
      `WITH ${end('s.user_id = $5', '$6::uuid')}
       SELECT ARRAY(SELECT id::text FROM ended) AS ids, ${newsOf('SELECT * FROM recorded')}`,
      [...revocation(reason, source), userId, actorId],
    );
    transaction.afterCommit(() => {
      this.tellEnded(reason, ids.length);
      this.tell(news);
    });
    return ids;
  }

  /** Ends a session whose spent token came back. How many it ended: 0 if it was over before. */
  async endReused(id: string, source: RequestSource): Promise<number> {
    const alarm = `alarm AS (
      INSERT INTO audit_events (type, outcome, user_id, session_id, ip, user_agent, request_id)
      SELECT 'refresh_token_reused', 'failure', user_id, id, $2, $3, $4 FROM ended
    ), mailed AS (
      INSERT INTO mails (kind, recipient, user_id, session_id, details)
      SELECT 'refresh_token_reused', u.email, u.id, e.id, jsonb_build_object('device', $6::text, 'ip', $2::text)
      FROM ended e JOIN users u ON u.id = e.user_id
    )`;
    return this.countEnded('end_reused_session', `WITH ${end('s.id = $5', 'NULL::uuid')}, ${alarm}`, [
      ...revocation('refresh_token_reuse', source),
      id,
      describeDevice(source.userAgent).label,
    ]);
  }

  /** Ends the session that honours the token. How many it ended: 0 if none does. */
  async endPresented(token: AuthenticRefreshToken, delivery: TokenDelivery, source: RequestSource): Promise<number> {
    return this.countEnded('end_presented_session', `WITH ${end(PRESENTED, 's.user_id')}`, [
      ...revocation('logout', source),
      ...this.presented(token, delivery),
    ]);
  }

  /** Ends every session of the user whose active session honours the token. How many: 0 if none does. */
  async endAllOfPresented(
    token: AuthenticRefreshToken,
    delivery: TokenDelivery,
    source: RequestSource,
  ): Promise<number> {
    return this.countEnded(
      'end_sessions_of_presented',
      `WITH caller AS MATERIALIZED (
         SELECT s.user_id FROM sessions s WHERE ${PRESENTED} AND ${ACTIVE}
       ), ${end('s.user_id = (SELECT user_id FROM caller)', 's.user_id')}`,
      [...revocation('logout_all', source), ...this.presented(token, delivery)],
    );
  }

  /**
   * Writes down which sessions were seen, and the generation their access tokens had. Rows that somebody else holds
   * are skipped rather than waited for. Returns the ids it wrote.
   */
  async recordSeen(seen: readonly { id: string; generation: number }[]): Promise<string[]> {
    const [rows] = await this.sessions.query<[{ id: string }[], number]>(
      `WITH seen AS (
         SELECT * FROM unnest($1::uuid[], $2::integer[]) AS seen (id, generation)
       ), held AS (
         SELECT s.id, seen.generation FROM sessions s JOIN seen ON seen.id = s.id
         ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
       )
       UPDATE sessions s SET
         last_seen_at = now(),
         used_generation = greatest(s.used_generation, least(held.generation, s.generation))
       FROM held WHERE s.id = held.id
       RETURNING s.id`,
      [seen.map(({ id }) => id), seen.map(({ generation }) => generation)],
    );
    return rows.map(({ id }) => id);
  }

  /** Tells the audit trail that tokens of ended sessions are still in use: once an hour for each session. */
  async recordEndedUses(uses: readonly EndedUse[]): Promise<void> {
    await this.sessions.query(
      `INSERT INTO audit_events (type, outcome, user_id, session_id, ip, user_agent, request_id)
       SELECT 'ended_session_used', 'failure', u.user_id, u.session_id, u.ip, u.user_agent, u.request_id
       FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
         AS u (session_id, user_id, ip, user_agent, request_id)
       WHERE NOT EXISTS (
         SELECT FROM audit_events a
         WHERE a.session_id = u.session_id AND a.type = 'ended_session_used' AND a.at > now() - interval '1 hour'
       )`,
      [
        uses.map(({ sessionId }) => sessionId),
        uses.map(({ userId }) => userId),
        uses.map(({ ip }) => ip),
        uses.map(({ userAgent }) => userAgent),
        uses.map(({ requestId }) => requestId),
      ],
    );
  }

  private presented(token: AuthenticRefreshToken, delivery: TokenDelivery): unknown[] {
    return [
      token.sessionId,
      delivery,
      token.generation,
      token.hash,
      token.successorHashes,
      this.config.refreshGraceSeconds,
    ];
  }

  private async countEnded(
    name: string,
    steps: string,
    parameters: [...revocation: RevocationParameters, ...which: unknown[]],
  ): Promise<number> {
    const [counted] = await this.prepared.query<Told & { count: number }>(
      name,
      `${steps} SELECT (SELECT count(*) FROM ended)::integer AS count, ${newsOf('SELECT * FROM recorded')}`,
      parameters,
    );
    const { count, news } = counted ?? { count: 0, news: null };
    this.tellEnded(parameters[0], count);
    this.tell(news);
    return count;
  }

  private tell(news: SessionNews[] | null): void {
    if (news) {
      this.notifications.notify(SESSION_CHANNEL, news);
    }
  }

  private tellEnded(reason: RevocationReason, count: number): void {
    if (count > 0) {
      sessionsRevoked.record({ reason, count });
    }
  }
}

const revocation = (reason: RevocationReason, { ip, userAgent, requestId }: RequestSource): RevocationParameters => [
  reason,
  ip,
  userAgent,
  requestId,
];

const refreshed = ({ session: { id, userId, rotatedAt }, readAt }: Account): SessionNews => ({
  type: 'session_refreshed',
  eventId: null,
  userId,
  sessionId: id,
  reason: null,
  at: (rotatedAt ?? readAt).getTime(),
});

// Field by field, since this is done for every protected request: copying the rest of a row costs several times as much.
const toState = (row: StateRow): SessionState => ({
  session: {
    id: row.id,
    userId: row.userId,
    delivery: row.delivery,
    generation: row.generation,
    usedGeneration: row.usedGeneration,
    deviceName: row.deviceName,
    userAgent: row.userAgent,
    ip: row.ip,
    createdAt: row.createdAt,
    authenticatedAt: row.authenticatedAt,
    lastSeenAt: row.lastSeenAt,
    idleExpiresAt: row.idleExpiresAt,
    expiresAt: row.expiresAt,
  },
  user: {
    id: row.userId,
    email: row.email,
    name: row.name,
    role: row.role,
    emailVerifiedAt: row.emailVerifiedAt,
    createdAt: row.userCreatedAt,
  },
  readAt: row.readAt,
  isRevoked: row.isRevoked,
  isJustLoggedOut: row.isJustLoggedOut,
  isExpired: row.isExpired,
  isSeenLongAgo: row.isSeenLongAgo,
});
