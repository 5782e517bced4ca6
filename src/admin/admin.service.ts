import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import type { AuditEventType } from '../audit/audit-event.entity.js';
import { AuditTrail } from '../audit/audit-trail.js';
import type { Caller } from '../http/caller.js';
import type { RequestSource } from '../http/request-source.js';
import { type Transaction, Transactions } from '../database/transactions.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { Outbox } from '../mail/outbox.js';
import type { RevocationReason } from '../sessions/session.entity.js';
import { SessionNotFoundError } from '../sessions/sessions.errors.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { requireAnotherAdmin } from '../users/last-admin.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { UserNotFoundError } from './admin.errors.js';

/** Which member of staff does something, why, and from where. */
export interface StaffAction {
  readonly staff: Caller;
  readonly note: string | null;
  readonly source: RequestSource;
}

/** What staff may do to other people's sessions and accounts. Each action is in the audit trail with who did it and why. */
@Injectable()
export class AdminService {
  constructor(
    private readonly transactions: Transactions,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly outbox: Outbox,
    private readonly tokens: MailedTokens,
    private readonly mails: MailedTokenLimit,
    private readonly audit: AuditTrail,
  ) {}

  /** Throws {@link UserNotFoundError}, for what is no id too. */
  async requireUser(id: string): Promise<User> {
    const user = isUUID(id) ? await this.users.findById(id) : null;
    if (!user) {
      throw new UserNotFoundError();
    }
    return user;
  }

  /** Ends every session of a user. How many. Throws {@link UserNotFoundError}. */
  async revokeAllOf(id: string, action: StaffAction): Promise<number> {
    const user = await this.requireUser(id);
    return this.transactions.run(async (transaction) => {
      await this.record(transaction, 'sessions_revoked_by_staff', user.id, action);
      return this.endAll(transaction, user, 'revoked_by_admin', action);
    });
  }

  /** Ends one session, whoever it belongs to. Throws {@link SessionNotFoundError} where it is unknown or over. */
  async revokeOne(id: string, action: StaffAction): Promise<void> {
    if (!isUUID(id)) {
      throw new SessionNotFoundError();
    }
    await this.transactions.run(async (transaction) => {
      const which = { id, actorId: action.staff.userId };
      const owner = await this.sessions.endOneWithin(transaction, which, 'revoked_by_admin', action.source);
      if (!owner) {
        throw new SessionNotFoundError();
      }
      await this.record(transaction, 'sessions_revoked_by_staff', owner.id, action, id);
      await this.tell(transaction, owner);
    });
  }

  /**
   * Shuts an account: every session ends, and no login works. Nothing changes where it is shut. Throws
   * {@link LastAdminError}.
   */
  async disable(id: string, action: StaffAction): Promise<void> {
    const user = await this.requireUser(id);
    await this.transactions.run(async (transaction) => {
      await requireAnotherAdmin(transaction, id);
      // Before the sessions, and the row stays locked: a login under way waits for it, and is refused.
      if (await this.users.setDisabled(transaction, id, true)) {
        await this.record(transaction, 'user_disabled', id, action);
        await this.tokens.withdrawPending(transaction, id);
        await this.endAll(transaction, user, 'user_disabled', action);
      }
    });
  }

  /** Opens an account again. Its sessions stay ended. */
  async enable(id: string, action: StaffAction): Promise<void> {
    await this.requireUser(id);
    await this.transactions.run(async (transaction) => {
      if (await this.users.setDisabled(transaction, id, false)) {
        await this.record(transaction, 'user_enabled', id, action);
      }
    });
  }

  /** Mails a user the link to set a new password. Staff never see it, and nothing changes until it is used (ADM-03). Throws `too_many_requests`. */
  async startReset(id: string, action: StaffAction): Promise<void> {
    const { email } = await this.requireUser(id);
    await this.mails.consumeStaffMail(email, action.staff, action.source);
    await this.transactions.run(async (transaction) => {
      await this.record(transaction, 'password_reset_by_staff', id, action);
      await this.outbox.addFor(transaction, 'password_reset', email);
    });
  }

  private async endAll(
    transaction: Transaction,
    user: User,
    reason: RevocationReason,
    { staff, source }: StaffAction,
  ): Promise<number> {
    const whose = { userId: user.id, actorId: staff.userId };
    const ended = await this.sessions.endAllWithin(transaction, whose, reason, source);
    if (ended.length > 0) {
      await this.tell(transaction, user);
    }
    return ended.length;
  }

  private tell(transaction: Transaction, { id: userId, email: recipient }: Pick<User, 'id' | 'email'>): Promise<void> {
    return this.outbox.add(transaction, { kind: 'sessions_ended_by_staff', recipient, userId });
  }

  private record(
    transaction: Transaction,
    type: AuditEventType,
    userId: string,
    { staff, note, source }: StaffAction,
    sessionId: string | null = null,
  ): Promise<void> {
    const event = { type, outcome: 'success', userId, sessionId, actorId: staff.userId, note } as const;
    return this.audit.recordWithin(transaction, event, source);
  }
}
