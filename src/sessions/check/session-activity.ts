import { Injectable, Logger } from '@nestjs/common';
import { ChecksRepository, type SessionState } from './checks.repository.js';
import { PeriodicWrites } from './periodic-writes.js';

const GIVE_UP_AFTER = 30;

interface Seen {
  readonly generation: number;
  readonly attempts: number;
}

/**
 * Remembers which sessions were seen, and which generation their access tokens had, and writes it down after the
 * requests: one statement for all, and a session again only after LAST_SEEN_SECONDS or for a new generation.
 */
@Injectable()
export class SessionActivity extends PeriodicWrites {
  private readonly logger = new Logger(SessionActivity.name);
  private seen = new Map<string, Seen>();

  constructor(private readonly checks: ChecksRepository) {
    super();
  }

  /** Notes that an access token was accepted. Costs nothing where the row already says so. */
  note({ session, isSeenLongAgo }: SessionState, generation: number): void {
    if (isSeenLongAgo || generation > session.usedGeneration) {
      this.remember(session.id, { generation, attempts: 0 });
    }
  }

  protected async write(): Promise<void> {
    const seen = this.seen;
    if (seen.size === 0) {
      return;
    }
    this.seen = new Map();

    let written: readonly string[] = [];
    try {
      written = await this.checks.recordSeen([...seen].map(([id, { generation }]) => ({ id, generation })));
    } catch (error) {
      this.logger.warn(`Could not record ${seen.size} sessions as seen, trying again: ${String(error)}`);
    }
    // What was locked, or what failed, waits for the next turn; what is gone for good does not wait for ever.
    const isWritten = new Set(written);
    for (const [id, { generation, attempts }] of seen) {
      if (!isWritten.has(id) && attempts < GIVE_UP_AFTER) {
        this.remember(id, { generation, attempts: attempts + 1 });
      }
    }
  }

  private remember(id: string, { generation, attempts }: Seen): void {
    const known = this.seen.get(id)?.generation ?? 0;
    this.seen.set(id, { generation: Math.max(known, generation), attempts });
  }
}
