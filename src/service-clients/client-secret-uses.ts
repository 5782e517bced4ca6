import { Injectable, Logger } from '@nestjs/common';
import { PeriodicWrites } from '../sessions/check/periodic-writes.js';
import { type AuthenticatedClient, ServiceClientsRepository } from './service-clients.repository.js';

/**
 * Remembers which secrets were used, and writes it down after the requests: one statement for all, and for each secret once
 * a minute. What cannot be written is noted again by the next use.
 */
@Injectable()
export class ClientSecretUses extends PeriodicWrites {
  private readonly logger = new Logger(ClientSecretUses.name);
  private used = new Set<string>();

  constructor(private readonly clients: ServiceClientsRepository) {
    super();
  }

  /** Notes one use. Costs nothing where the row already says so. */
  note({ secretId, isUsedLongAgo }: AuthenticatedClient): void {
    if (isUsedLongAgo) {
      this.used.add(secretId);
    }
  }

  protected async write(): Promise<void> {
    const used = [...this.used];
    if (used.length === 0) {
      return;
    }
    this.used = new Set();
    try {
      await this.clients.recordUses(used);
    } catch (error) {
      this.logger.warn(`Could not record the use of ${used.length} secrets of service clients: ${String(error)}`);
    }
  }
}
