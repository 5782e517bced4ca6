import { Injectable, Logger } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { Database } from '../../database/database.js';
import { Notifications } from '../../database/notifications.js';
import { INCIDENT_CHANNEL } from '../session-event.js';
import { IncidentNotFoundError } from '../sessions.errors.js';
import { IncidentWorker } from './incident-worker.js';
import {
  countMatching,
  countOfIncident,
  findIncident,
  type IncidentFilter,
  type IncidentOpener,
  type IncidentProgress,
  openIncident,
} from './incidents.js';

/** Ends sessions of many people at once. */
@Injectable()
export class Incidents {
  private readonly logger = new Logger(Incidents.name);

  constructor(
    private readonly database: Database,
    private readonly notifications: Notifications,
    private readonly worker: IncidentWorker,
  ) {}

  /** How many active sessions an incident of this filter would end now; null where it took too long to count them. */
  countMatching(filter: IncidentFilter): Promise<number | null> {
    return countMatching(this.database, filter);
  }

  /**
   * Ends every session that matches. When this resolves none of them is trusted any more; their rows are ended afterwards,
   * and streams of all instances close. How many they are is null where it took too long to count them.
   */
  async open(filter: IncidentFilter, opener: IncidentOpener): Promise<{ id: string; matches: number | null }> {
    const id = await this.database.transaction((transaction) => openIncident(transaction, filter, opener));
    this.notifications.notify(INCIDENT_CHANNEL, [{ id }]);
    // On its own, after the commit: nobody is trusted for as long as it takes to count a million.
    const matches = await countOfIncident(this.database, id, filter).catch((error: unknown) => {
      this.logger.warn(`Could not count the sessions of incident ${id}, which runs all the same: ${String(error)}`);
      return null;
    });
    this.worker.wake();
    return { id, matches };
  }

  /** An incident, and how far it is. Throws {@link IncidentNotFoundError}, for what is no id too. */
  async require(id: string): Promise<IncidentProgress> {
    const incident = isUUID(id) ? await findIncident(this.database, id) : null;
    if (!incident) {
      throw new IncidentNotFoundError();
    }
    return incident;
  }
}
