import { Injectable } from '@nestjs/common';
import type { Caller } from '../sessions/caller.js';
import type { RequestSource } from '../http/request-source.js';
import { mailDetailsOf } from '../sessions/device-label.js';
import type { SessionGrant } from '../sessions/session-with-user.js';
import { SessionsService } from '../sessions/sessions.service.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { AccountChanges, type Consequences } from './account-change.js';
import { WrongPasswordError } from './account.errors.js';
import { Reauthentication } from './reauthentication.js';

/** How a person who is signed in changes their password. */
@Injectable()
export class PasswordsService {
  constructor(
    private readonly reauthentication: Reauthentication,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly changes: AccountChanges,
  ) {}

  /**
   * Changes the caller's password. Every session ends, and the caller goes on in a fresh one of the same kind. Throws
   * as {@link Reauthentication.verifyPassword} does; `validation_failed` for a password we would not keep.
   */
  async change(
    caller: Caller,
    { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
    source: RequestSource,
  ): Promise<SessionGrant> {
    const candidate = { email: caller.user.email, password: newPassword };
    this.users.requireAcceptablePassword(candidate, 'newPassword');
    const user = await this.reauthentication.verifyPassword(caller, currentPassword, 'password_change_failed', source);
    const passwordHash = await this.users.hash(candidate, 'newPassword');

    return this.changes.run(source, async (transaction, settle) => {
      const changed = { id: user.id, passwordHash };
      if (!(await this.users.setPassword(transaction, changed, user.passwordHash))) {
        throw new WrongPasswordError();
      }
      await settle({ ...consequencesOf('password_changed', caller.user, source), askedBy: caller.sessionId });
      const grant = await this.sessions.open(transaction, changed, caller.session, source);
      if (!grant) {
        throw new WrongPasswordError();
      }
      return grant;
    });
  }
}

/** What follows from another password, however it was set: every session that was opened with the old one ends. */
export const consequencesOf = (
  reason: 'password_changed' | 'password_reset',
  { id, email }: Pick<User, 'id' | 'email'>,
  source: RequestSource,
): Consequences => ({
  userId: id,
  withdraws: 'pending',
  revokes: reason,
  events: [{ type: reason }],
  mails: [{ kind: 'password_changed', recipient: email, details: mailDetailsOf(source) }],
});
