import { Injectable } from '@nestjs/common';
import type { Caller } from '../sessions/caller.js';
import type { RequestSource } from '../http/request-source.js';
import { Turns } from '../limits/turns.js';
import type { User } from '../users/user.entity.js';
import { requireAnotherAdmin } from '../users/last-admin.js';
import { UsersService } from '../users/users.service.js';
import { AccountChanges } from './account-change.js';
import { WrongPasswordError } from './account.errors.js';
import { Reauthentication } from './reauthentication.js';

/** What a person may do with their account as a whole. */
@Injectable()
export class AccountService {
  constructor(
    private readonly reauthentication: Reauthentication,
    private readonly turns: Turns,
    private readonly users: UsersService,
    private readonly changes: AccountChanges,
  ) {}

  /**
   * Deletes the caller's account: every session ends at once, and nothing stays but the audit trail for as long as it is
   * kept, and a mail that says so. Throws as {@link Reauthentication.verifyPassword} does; `last_admin`.
   */
  async delete(caller: Caller, password: string, source: RequestSource): Promise<void> {
    const user = await this.reauthentication.verifyPassword(caller, password, 'login_failed', source);
    await this.turns.take(user.id, () => this.deleteVerified(user, caller.sessionId, source));
  }

  private deleteVerified({ id, email, passwordHash }: User, askedBy: string, source: RequestSource): Promise<void> {
    return this.changes.run(source, async (transaction, settle) => {
      await requireAnotherAdmin(transaction, id);
      if (!(await this.users.lock(transaction, id, passwordHash))) {
        throw new WrongPasswordError();
      }
      await settle({
        userId: id,
        withdraws: 'all',
        revokes: 'account_deleted',
        askedBy,
        events: [{ type: 'account_deleted' }],
        mails: [{ kind: 'account_deleted', recipient: email }],
      });
      await this.users.delete(transaction, id);
    });
  }
}
