import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/audit-trail.js';
import { Database } from '../../database/database.js';
import type { RequestSource } from '../../http/request-source.js';
import { MailedTokens } from '../../mail/mailed-tokens.js';
import { Revocations } from '../../sessions/revoke/revocations.js';
import type { ServiceClient } from '../../service-clients/service-client.js';
import type { SubjectIdentifier } from './revocation.dto.js';
import { SubjectNotFoundError } from './revocation.errors.js';
import { Subjects } from './subjects.js';

/** Ends every session of a user, for another service that has a reason to (draft-parecki-oauth-global-token-revocation). */
@Injectable()
export class GlobalRevocation {
  constructor(
    private readonly database: Database,
    private readonly subjects: Subjects,
    private readonly revocations: Revocations,
    private readonly tokens: MailedTokens,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * Revokes every session of a user, and withdraws mailed links that could change the account: the service may suspect that
   * another person uses it (AC-01). A login under way waits, and is one after it. Throws {@link SubjectNotFoundError}.
   */
  async revoke(subject: SubjectIdentifier, client: ServiceClient, source: RequestSource): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const userId = await this.subjects.lock(transaction, subject);
      if (userId === null) {
        throw new SubjectNotFoundError();
      }
      const whose = { userId, actorId: client.id };
      const event = { type: 'sessions_revoked_by_service', outcome: 'success', ...whose } as const;
      await this.audit.recordWithin(transaction, { ...event, note: `${client.id} ${client.name}` }, source);
      await this.tokens.withdrawPending(transaction, userId);
      await this.revocations.revokeAll(transaction, whose, 'revoked_by_service', source);
    });
  }
}
