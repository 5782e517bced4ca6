import { Injectable } from '@nestjs/common';
import type { Caller } from '../sessions/caller.js';
import type { RequestSource } from '../http/request-source.js';
import { MailedTokenLimit } from '../limits/mailed-token-limit.js';
import { Outbox } from '../mail/outbox.js';
import { mailDetailsOf } from '../sessions/device-label.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { AccountChanges } from './account-change.js';
import { Reauthentication } from './reauthentication.js';

/** How a person asks for another address. It becomes the account's once they have shown that they read it. */
@Injectable()
export class EmailChangeService {
  constructor(
    private readonly reauthentication: Reauthentication,
    private readonly limit: MailedTokenLimit,
    private readonly sessions: SessionsService,
    private readonly outbox: Outbox,
    private readonly changes: AccountChanges,
  ) {}

  /**
   * Mails a link to a new address, and says so to the present one. No caller learns whether another account has the new
   * one. Throws as {@link Reauthentication.verifyPassword} does where a password is given, or else as
   * {@link Reauthentication.requireRecent}; `too_many_requests`.
   *
   * @param email normalised
   */
  async request(
    caller: Caller,
    { email, password }: { email: string; password?: string },
    source: RequestSource,
  ): Promise<void> {
    if (password === undefined) {
      this.reauthentication.requireRecent(caller);
    } else {
      await this.reauthentication.verifyPassword(caller, password, 'email_change_failed', source);
    }
    await this.limit.consumeChange(email, caller, source);

    const { user, userId, sessionId } = caller;
    const details = { ...mailDetailsOf(source), email };
    await this.changes.run(source, async (transaction, settle) => {
      // Where the session has ended since the request was accepted, nothing that it asks for happens.
      await this.sessions.requireActive(transaction, caller);
      await settle({
        userId,
        // Only the last change that was asked for can still happen.
        withdraws: ['email_change'],
        events: [{ type: 'email_change_requested', sessionId }],
        mails: [{ kind: 'email_change_requested', recipient: user.email, details }],
      });
      await this.outbox.addUnlessTaken(transaction, { kind: 'email_change', recipient: email, userId, sessionId });
    });
  }
}
