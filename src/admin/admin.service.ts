import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import type { Transaction } from '../database/transaction.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { Revocations } from '../sessions/revoke/revocations.js';
import type { RevocationReason } from '../sessions/session.entity.js';
import { SessionNotFoundError } from '../sessions/sessions.errors.js';
import { requireAnotherAdmin } from '../users/last-admin.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { UserNotFoundError } from './admin.errors.js';
import { type StaffAction, StaffActions } from './staff-actions.js';
import { StaffMails } from './staff-mails.js';

/** What staff may do to other people's sessions and accounts. Each action is in the audit trail with who did it and why. */
@Injectable()
export class AdminService {
  constructor(
    private readonly actions: StaffActions,
    private readonly users: UsersService,
    private readonly revocations: Revocations,
    private readonly tokens: MailedTokens,
    private readonly mails: StaffMails,
  ) {}

  /** Throws {@link UserNotFoundError}, for what is no id too. */
  async requireUser(id: string): Promise<User> {
    const user = isUUID(id) ? await this.users.findById(id) : null;
    if (!user) {
      throw new UserNotFoundError();
    }
    return user;
  }

  /** Revokes every session of a user. How many. Throws {@link UserNotFoundError}. */
  async revokeAllOf(id: string, action: StaffAction): Promise<number> {
    const user = await this.requireUser(id);
    return this.actions.run(action, async (transaction, record) => {
      await record('sessions_revoked_by_staff', user.id);
      return this.revokeAll(transaction, user, 'revoked_by_admin', action);
    });
  }

  /** Revokes one session of any user. Throws {@link SessionNotFoundError} where it is unknown or ended. */
  async revokeOne(id: string, action: StaffAction): Promise<void> {
    if (!isUUID(id)) {
      throw new SessionNotFoundError();
    }
    await this.actions.run(action, async (transaction, record) => {
      const which = { id, actorId: action.staff.userId };
      const owner = await this.revocations.revokeOne(transaction, which, 'revoked_by_admin', action.source);
      if (!owner) {
        throw new SessionNotFoundError();
      }
      await record('sessions_revoked_by_staff', owner.id, id);
      await this.mails.addSessionsEnded(transaction, owner);
    });
  }

  /**
   * Disables an account: every session is revoked, and no login works. Nothing changes where it is disabled already. Throws
   * `last_admin`.
   */
  async disable(id: string, action: StaffAction): Promise<void> {
    const user = await this.requireUser(id);
    await this.actions.run(action, async (transaction, record) => {
      await requireAnotherAdmin(transaction, id);
      // Before the sessions, and the row stays locked: a login under way waits for it, and is refused.
      if (await this.users.setDisabled(transaction, id, true)) {
        await record('user_disabled', id);
        await this.tokens.withdrawPending(transaction, id);
        await this.revokeAll(transaction, user, 'user_disabled', action);
      }
    });
  }

  /** Enables an account again. Its sessions stay ended. */
  async enable(id: string, action: StaffAction): Promise<void> {
    await this.requireUser(id);
    await this.actions.run(action, async (transaction, record) => {
      if (await this.users.setDisabled(transaction, id, false)) {
        await record('user_enabled', id);
      }
    });
  }

  /** Mails a user the link to set a new password. Staff never see it, and nothing changes until it is used (ADM-03). Throws `too_many_requests`. */
  async startReset(id: string, action: StaffAction): Promise<void> {
    const { email } = await this.requireUser(id);
    await this.mails.consumeResetLink(email, action);
    await this.actions.run(action, async (transaction, record) => {
      await record('password_reset_by_staff', id);
      await this.mails.addResetLink(transaction, email);
    });
  }

  private async revokeAll(
    transaction: Transaction,
    user: User,
    reason: RevocationReason,
    { staff, source }: StaffAction,
  ): Promise<number> {
    const whose = { userId: user.id, actorId: staff.userId };
    const revoked = await this.revocations.revokeAll(transaction, whose, reason, source);
    if (revoked.length > 0) {
      await this.mails.addSessionsEnded(transaction, user);
    }
    return revoked.length;
  }
}
