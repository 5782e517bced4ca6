import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuditTrail } from '../audit/audit-trail.js';
import type { RequestSource } from '../common/request-source.js';
import { Transactions } from '../database/transactions.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { MailedTokens } from '../mail/mailed-tokens.js';
import { Outbox } from '../mail/outbox.js';
import type { CheckedCaller } from '../sessions/session-checker.js';
import { UsersService } from '../users/users.service.js';
import { InvalidVerificationTokenError } from './auth.errors.js';

/** Whether an account's owner reads its address. */
@Injectable()
export class EmailService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly users: UsersService,
    private readonly limit: MailedTokenLimit,
    private readonly tokens: MailedTokens,
    private readonly outbox: Outbox,
    private readonly audit: AuditTrail,
  ) {}

  /** Confirms the address a token was mailed to. Throws {@link InvalidVerificationTokenError}. */
  async verify(token: string, source: RequestSource): Promise<void> {
    await this.limit.consumeTry(source);
    await this.transactions.run(async (transaction) => {
      const subject = await this.tokens.consume(transaction, token, ['email_verification']);
      if (!subject || !(await this.users.setVerified(transaction, subject.userId, subject.email))) {
        throw new InvalidVerificationTokenError();
      }
      const { userId } = subject;
      await this.tokens.withdraw(transaction, userId, ['email_verification']);
      await this.audit.recordWithin(
        transaction,
        { type: 'email_verified', outcome: 'success', userId, actorId: userId },
        source,
      );
    });
  }

  /** Mails the link to confirm the caller's address once more. Nothing happens where it is confirmed. */
  async resend({ user: { id: userId, email, emailVerifiedAt } }: CheckedCaller, source: RequestSource): Promise<void> {
    if (emailVerifiedAt) {
      return;
    }
    await this.limit.consumeMail(email, source);
    await this.outbox.add(this.dataSource.manager, { kind: 'email_verification', recipient: email, userId });
  }
}
