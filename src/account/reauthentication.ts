import { Injectable } from '@nestjs/common';
import type { Caller } from '../sessions/caller.js';
import type { AuditEventType } from '../audit/audit-event.entity.js';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { LoginThrottle } from '../limits/login-throttle.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { PasswordTooOldError, WrongPasswordError } from './account.errors.js';

const MILLISECONDS = 1000;

/** Proof that the caller is the person who signed in, and not another who found the device unlocked. */
@Injectable()
export class Reauthentication {
  constructor(
    private readonly users: UsersService,
    private readonly throttle: LoginThrottle,
    private readonly audit: AuditTrail,
    private readonly config: AppConfig,
  ) {}

  /**
   * Verifies the caller's password, which counts like one at a login, and answers the user as they are stored now. Throws
   * {@link WrongPasswordError}; `too_many_requests`. A change on the word of this must still require the user's
   * `passwordHash`, since the password may become another one in between.
   *
   * @param failure what the audit trail calls a wrong password here
   */
  async verifyPassword(
    { user: { id, email } }: Caller,
    password: string,
    failure: AuditEventType,
    source: RequestSource,
  ): Promise<User> {
    const verified = await this.throttle.guard(email, source, async () => {
      const { isRight, user } = await this.users.verify(email, password);
      if (isRight && user?.id === id) {
        return user;
      }
      await this.audit.record({ type: failure, outcome: 'failure', userId: id }, source);
      return null;
    });
    if (!verified) {
      throw new WrongPasswordError();
    }
    return verified;
  }

  /**
   * Refuses a caller who last gave their password longer ago than REAUTH_MAX_AGE (RA-02). Throws
   * {@link PasswordTooOldError}.
   */
  requireRecent({ session: { authenticatedAt }, readAt }: Caller): void {
    const maxAgeSeconds = this.config.reauthMaxAgeSeconds;
    if (readAt.getTime() - authenticatedAt.getTime() > maxAgeSeconds * MILLISECONDS) {
      throw new PasswordTooOldError(maxAgeSeconds);
    }
  }
}
