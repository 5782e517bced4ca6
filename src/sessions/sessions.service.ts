import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import type { Caller } from './caller.js';
import type { RequestSource } from '../http/request-source.js';
import type { Transaction } from '../database/transaction.js';
import { RenameLimit } from '../limits/rename-limit.js';
import { Turns } from '../limits/turns.js';
import type { User } from '../users/user.entity.js';
import { hashRefreshToken, RefreshTokens } from './refresh/refresh-token.js';
import type { Session, TokenDelivery } from './session.entity.js';
import { SessionNotFoundError, SessionRevokedError } from './sessions.errors.js';
import { SessionOpeningRepository } from './session-opening.repository.js';
import type { SessionGrant } from './session-with-user.js';
import { type EndedSession, type SessionsPage, SessionsRepository } from './sessions.repository.js';

export interface Device {
  readonly delivery: TokenDelivery;
  readonly deviceName: string | null;
  /** See {@link NewSession}. */
  readonly language?: string | null;
}

/** The sessions of a user: opens, lists and names them. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly sessions: SessionsRepository,
    private readonly opening: SessionOpeningRepository,
    private readonly refreshTokens: RefreshTokens,
    private readonly renames: RenameLimit,
    private readonly turns: Turns,
  ) {}

  /**
   * Signs a device in: always a new session, whatever the client sent along. Null if the user was disabled or their
   * password changed since it was verified.
   */
  async open(
    transaction: Transaction,
    user: Pick<User, 'id' | 'passwordHash'>,
    { delivery, deviceName, language = null }: Device,
    source: RequestSource,
  ): Promise<SessionGrant | null> {
    const id = randomUUID();
    const refreshToken = this.refreshTokens.issue(id);

    const opened = await this.opening.open(
      transaction,
      {
        id,
        userId: user.id,
        passwordHash: user.passwordHash,
        refreshTokenHash: hashRefreshToken(refreshToken),
        delivery,
        deviceName,
        language,
      },
      source,
    );
    return opened && { ...opened, refreshToken };
  }

  /**
   * Makes sure, as part of a transaction, that the caller's session has not ended since the request arrived. The user's row
   * stays locked, so that it cannot end before the transaction does. Throws {@link SessionRevokedError}.
   */
  async requireActive(transaction: Transaction, { userId, sessionId }: Caller): Promise<void> {
    if (!(await this.sessions.isActiveWithin(transaction, sessionId, userId))) {
      throw new SessionRevokedError();
    }
  }

  /** The caller's active sessions, one page, and whether more follow. The current one leads the first page. */
  async list(
    { userId, sessionId }: Pick<Caller, 'userId' | 'sessionId'>,
    page: SessionsPage,
  ): Promise<{ sessions: Session[]; hasMore: boolean }> {
    const sessions = await this.sessions.listActive(userId, sessionId, page);
    return { sessions: sessions.slice(0, page.limit), hasMore: sessions.length > page.limit };
  }

  /** The caller's sessions that ended in the last 90 days, one page, the newest end first, and whether more follow. See {@link Turns}. */
  async listEnded({ userId }: Caller, page: SessionsPage): Promise<{ sessions: EndedSession[]; hasMore: boolean }> {
    const sessions = await this.turns.take(userId, () => this.sessions.listEnded(userId, page));
    return { sessions: sessions.slice(0, page.limit), hasMore: sessions.length > page.limit };
  }

  /** A session that is still kept, ended or not. It is for callers who have shown that they may read it. Null if there is none. */
  async findKept(id: string): Promise<Session | null> {
    const [session = null] = await this.sessions.listByIds([id]);
    return session;
  }

  /** Every session of a user that is still kept, ended or not, oldest first, so many at a time. */
  async *pagesOfAll(userId: string, rows: number): AsyncGenerator<Session[]> {
    // No index has all of them in this order: they are found once, and then read by their ids.
    const ids = await this.sessions.listIds(userId);
    for (let start = 0; start < ids.length; start += rows) {
      yield this.sessions.listByIds(ids.slice(start, start + rows));
    }
  }

  /**
   * Names one of the caller's devices. Unknown, ended and foreign ids are one and the same {@link SessionNotFoundError}.
   * Throws `too_many_requests`.
   */
  async rename(caller: Caller, id: string, deviceName: string, source: RequestSource): Promise<Session> {
    await this.renames.consume(caller, source);
    const session = isUUID(id) ? await this.sessions.rename(id, caller.userId, deviceName, source) : null;
    if (!session) {
      throw new SessionNotFoundError();
    }
    return session;
  }
}
