import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { AuditEvent } from '../audit/audit-event.entity.js';
import type { RequestSource } from '../common/request-source.js';

/** What sign-in leaves in the database where no session comes of it. */
@Injectable()
export class AuthRepository {
  constructor(@InjectRepository(AuditEvent) private readonly events: Repository<AuditEvent>) {}

  /**
   * Records a refused login. The account is null for an e-mail nobody has; the e-mail itself is not kept, since people
   * type passwords there.
   */
  async recordRefusedLogin(userId: string | null, { ip, userAgent, requestId }: RequestSource): Promise<void> {
    await this.events.insert({ type: 'login_failed', outcome: 'failure', userId, ip, userAgent, requestId });
  }
}
