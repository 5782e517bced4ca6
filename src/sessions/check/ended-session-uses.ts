import { Injectable, Logger } from '@nestjs/common';
import type { RequestSource } from '../../http/request-source.js';
import { ChecksRepository, type EndedSessionUse } from './checks.repository.js';
import { PeriodicWrites } from './periodic-writes.js';

const MOST_AT_ONCE = 1000;

/**
 * Records in the audit trail, after the requests, that tokens of a revoked session are still being sent: by a forgotten
 * client, or by a person who copied them.
 */
@Injectable()
export class EndedSessionUses extends PeriodicWrites {
  private readonly logger = new Logger(EndedSessionUses.name);
  private readonly uses = new Map<string, EndedSessionUse>();

  constructor(private readonly checks: ChecksRepository) {
    super();
  }

  /** Notes one use. Of many in a second, the first of a session counts, and the first thousand sessions. */
  note({ id, userId }: { readonly id: string; readonly userId: string }, source: RequestSource): void {
    if (!this.uses.has(id) && this.uses.size < MOST_AT_ONCE) {
      this.uses.set(id, { sessionId: id, userId, ...source });
    }
  }

  protected async write(): Promise<void> {
    const uses = [...this.uses.values()];
    if (uses.length === 0) {
      return;
    }
    try {
      await this.checks.recordEndedSessionUses(uses);
      for (const use of uses) {
        this.uses.delete(use.sessionId);
      }
    } catch (error) {
      this.logger.warn(`Could not record ${uses.length} uses of ended sessions, trying again: ${String(error)}`);
    }
  }
}
