import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { Database } from '../database/database.js';
import { Turns } from '../limits/turns.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { Outbox } from '../mail/outbox.js';
import type { CheckedCaller } from '../sessions/check/session-checker.js';
import { SessionRevokedError } from '../sessions/sessions.errors.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { requireAnotherAdmin } from '../users/last-admin.js';
import { UsersService } from '../users/users.service.js';
import { CallerPassword } from './caller-password.js';

/** What a person may do with their account as a whole. */
@Injectable()
export class AccountService {
  constructor(
    private readonly database: Database,
    private readonly turns: Turns,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly password: CallerPassword,
    private readonly tokens: MailedTokens,
    private readonly outbox: Outbox,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * Deletes the caller's account: every session ends at once, and nothing stays but the audit trail for as long as it is
   * kept, and a mail that tells of it. Throws as {@link CallerPassword.prove} does; `last_admin`.
   */
  async delete(caller: CheckedCaller, password: string, source: RequestSource): Promise<void> {
    const { id: userId, email } = caller.user;
    await this.password.prove(caller, password, 'login_failed', source, (verified) =>
      this.turns.take(userId, () =>
        this.database.transaction(async (transaction) => {
          await requireAnotherAdmin(transaction, userId);
          if (!(await this.users.lock(transaction, userId, verified.passwordHash))) {
            return null;
          }
          const whose = { userId, actorId: userId };
          const ended = await this.sessions.endAllWithin(transaction, whose, 'account_deleted', source);
          if (!ended.includes(caller.sessionId)) {
            throw new SessionRevokedError();
          }
          await this.audit.recordWithin(transaction, { type: 'account_deleted', outcome: 'success', ...whose }, source);
          await this.tokens.withdrawAll(transaction, userId);
          await this.users.delete(transaction, userId);
          await this.outbox.add(transaction, { kind: 'account_deleted', recipient: email, userId });
          return true;
        }),
      ),
    );
  }
}
