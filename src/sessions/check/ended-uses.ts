import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { RequestSource } from '../../http/request-source.js';
import { type EndedUse, SessionsRepository } from '../sessions.repository.js';

const WRITE_EVERY_MS = 1000;
const MOST_AT_ONCE = 1000;

/**
 * Tells the audit trail, off the request's way, that tokens of an ended session are still being tried: a forgotten
 * client, or somebody who copied them.
 */
@Injectable()
export class EndedUses implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(EndedUses.name);
  private readonly uses = new Map<string, EndedUse>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly sessions: SessionsRepository) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.write(), WRITE_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.write();
  }

  /** Notes one use. Of many in a second, the first of a session counts, and the first thousand sessions. */
  note({ id, userId }: { readonly id: string; readonly userId: string }, source: RequestSource): void {
    if (!this.uses.has(id) && this.uses.size < MOST_AT_ONCE) {
      this.uses.set(id, { sessionId: id, userId, ...source });
    }
  }

  private async write(): Promise<void> {
    const uses = [...this.uses.values()];
    if (uses.length === 0) {
      return;
    }
    try {
      await this.sessions.recordEndedUses(uses);
      for (const use of uses) {
        this.uses.delete(use.sessionId);
      }
    } catch (error) {
      this.logger.warn(`Could not record ${uses.length} uses of ended sessions, trying again: ${String(error)}`);
    }
  }
}
