import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { Database } from '../database/database.js';
import { LoginThrottle } from '../limits/login-throttle.js';
import type { SessionGrant } from '../sessions/session-with-user.js';
import { type Device, SessionsService } from '../sessions/sessions.service.js';
import { type NewAccount, UsersService } from '../users/users.service.js';
import { EmailNotVerifiedError, InvalidCredentialsError } from './auth.errors.js';

const LOGIN_ATTEMPTS = 3;

type Credentials = Pick<NewAccount, 'email' | 'password'>;

/** Signs devices in with e-mail and password. */
@Injectable()
export class AuthService {
  // Six: a login is verified, throttled, opened in a transaction and recorded, by what is configured.
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly throttle: LoginThrottle,
    private readonly audit: AuditTrail,
    private readonly database: Database,
    private readonly config: AppConfig,
  ) {}

  /**
   * Signs a device in: always a new session. Throws {@link InvalidCredentialsError}, and never says what was wrong;
   * `too_many_requests` while the account or the client's network has to wait.
   */
  async login({ email, password }: Credentials, device: Device, source: RequestSource): Promise<SessionGrant> {
    const grant = await this.throttle.guard(email, source, () => this.signIn({ email, password }, device, source));
    if (!grant) {
      throw new InvalidCredentialsError();
    }
    return grant;
  }

  // Null where they are wrong, which the trail then knows.
  private async signIn(
    { email, password }: Credentials,
    device: Device,
    source: RequestSource,
  ): Promise<SessionGrant | null> {
    let userId: string | null = null;
    // The password may change, or its hash be strengthened by a parallel login, between the verification and the
    // opening of the session. Then what was verified no longer counts, and is verified again.
    for (let attempt = 0; attempt < LOGIN_ATTEMPTS; attempt++) {
      const { isRight, user } = await this.users.verify(email, password);
      userId = user?.id ?? null;
      if (!user || !isRight) {
        break;
      }
      if (this.config.emailVerification === 'required' && !user.emailVerifiedAt) {
        if (this.config.disclosesRegistration) {
          throw new EmailNotVerifiedError();
        }
        // To say more would show after a registration whether the address was taken.
        break;
      }
      const grant = await this.database.transaction((transaction) =>
        this.sessions.open(transaction, user, device, source),
      );
      if (grant) {
        return grant;
      }
    }
    await this.audit.record({ type: 'login_failed', outcome: 'failure', userId }, source);
    return null;
  }
}
