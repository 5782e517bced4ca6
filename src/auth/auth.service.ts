import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../http/request-source.js';
import { AppConfig } from '../config/config.js';
import { Database } from '../database/database.js';
import type { Transaction } from '../database/transaction.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { Outbox } from '../mail/outbox.js';
import { LoginThrottle } from '../limits/login-throttle.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { RegistrationLimit } from '../limits/registration-limit.js';
import type { SessionGrant } from '../sessions/session-with-user.js';
import { type Device, SessionsService } from '../sessions/sessions.service.js';
import { type NewAccount, UsersService } from '../users/users.service.js';
import type { User } from '../users/user.entity.js';
import { EmailTakenError } from '../users/users.errors.js';
import { EmailNotVerifiedError, InvalidCredentialsError } from './auth.errors.js';

const LOGIN_ATTEMPTS = 3;

type Credentials = Pick<NewAccount, 'email' | 'password'>;

/** Turns credentials into sessions. */
@Injectable()
export class AuthService {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly throttle: LoginThrottle,
    private readonly registrations: RegistrationLimit,
    private readonly mails: MailedTokenLimit,
    private readonly audit: AuditTrail,
    private readonly database: Database,
    private readonly outbox: Outbox,
    private readonly tokens: MailedTokens,
    private readonly config: AppConfig,
  ) {}

  /**
   * Makes an account and signs its first device in. Null where addresses must be confirmed first, and then a mail is on
   * its way, unless as many went there within the hour as may. Throws `validation_failed` for a password we would not keep, `too_many_requests`, or `email_taken`.
   */
  async register(account: NewAccount, device: Device, source: RequestSource): Promise<SessionGrant | null> {
    // First, since a password that is refused makes no account and should use up no try.
    this.users.requireAcceptablePassword(account);
    await this.registrations.consume(source);

    const passwordHash = await this.users.hash(account);
    const person = { ...account, passwordHash };
    if (this.config.emailVerification === 'required' && !(await this.mails.allowsMail(account.email, source))) {
      // Nothing happens, whether or not the address is taken, and the answer tells neither.
      return null;
    }
    return this.database.transaction((transaction) =>
      this.config.emailVerification === 'required'
        ? this.askToConfirm(transaction, person)
        : this.admit(transaction, person, device, source),
    );
  }

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

  private async admit(
    transaction: Transaction,
    account: Pick<User, 'email' | 'name' | 'passwordHash'>,
    device: Device,
    source: RequestSource,
  ): Promise<SessionGrant> {
    const id = await this.users.create(transaction, account);
    if (this.config.emailVerification !== 'off') {
      await this.outbox.add(transaction, { kind: 'email_verification', recipient: account.email, userId: id });
    }
    const grant = await this.sessions.open(transaction, { ...account, id }, device, source);
    if (!grant) {
      throw new Error('An account that was made a moment ago is not there.');
    }
    return grant;
  }

  // The same for an address that is taken and for one that is not, where registering must not tell.
  private async askToConfirm(
    transaction: Transaction,
    account: Pick<User, 'email' | 'name' | 'passwordHash'>,
  ): Promise<null> {
    const { email } = account;
    const userId = await this.users.createUnconfirmed(transaction, account);
    if (userId !== null) {
      await this.tokens.withdraw(transaction, userId, ['email_verification']);
      await this.outbox.add(transaction, { kind: 'email_verification', recipient: email, userId });
    } else if (this.config.disclosesRegistration) {
      throw new EmailTakenError();
    } else {
      await this.outbox.addFor(transaction, 'account_exists', email);
    }
    return null;
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
        // To say more would tell whoever just registered whether the address was taken.
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
