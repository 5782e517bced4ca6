import { Injectable } from '@nestjs/common';
import type { AuditEventType } from '../audit/audit-event.entity.js';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { LoginThrottle } from '../limits/login-throttle.js';
import type { CheckedCaller } from '../sessions/check/session-checker.js';
import type { User } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { InsufficientUserAuthenticationError, WrongPasswordError } from './account.errors.js';

const MILLISECONDS = 1000;

/** Proof that whoever calls is who signed in, and not somebody who found the device open. */
@Injectable()
export class CallerPassword {
  constructor(
    private readonly users: UsersService,
    private readonly throttle: LoginThrottle,
    private readonly audit: AuditTrail,
    private readonly config: AppConfig,
  ) {}

  /**
   * Does work once the caller has given their password, which counts like one at a login. Throws
   * {@link WrongPasswordError}, also where the work finds that the password is another one by now and answers null.
   *
   * @param failure what the audit trail calls a wrong password here
   */
  async prove<T>(
    { user: { id, email } }: CheckedCaller,
    password: string,
    failure: AuditEventType,
    source: RequestSource,
    work: (verified: User) => Promise<T | null>,
  ): Promise<T> {
    const done = await this.throttle.guard(email, source, async () => {
      const { isRight, user: verified } = await this.users.verify(email, password);
      if (!isRight || verified?.id !== id) {
        await this.audit.record({ type: failure, outcome: 'failure', userId: id }, source);
        return null;
      }
      return work(verified);
    });
    if (done === null) {
      throw new WrongPasswordError();
    }
    return done;
  }

  /**
   * Refuses a caller who last gave their password longer ago than REAUTH_MAX_AGE (RA-02). Throws
   * {@link InsufficientUserAuthenticationError}.
   */
  requireRecent({ session: { authenticatedAt }, readAt }: CheckedCaller): void {
    const maxAgeSeconds = this.config.reauthMaxAgeSeconds;
    if (readAt.getTime() - authenticatedAt.getTime() > maxAgeSeconds * MILLISECONDS) {
      throw new InsufficientUserAuthenticationError(maxAgeSeconds);
    }
  }
}
