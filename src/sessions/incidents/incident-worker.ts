import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { Notifications } from '../../database/notifications.js';
import { SESSION_CHANNEL } from '../session-event.js';
import { sessionsRevoked } from '../sessions.measurements.js';
import { endBatch, INCIDENT_REASON } from './incident-batches.js';
import { hasOpenIncident } from './incidents.js';

const POLL_EVERY_MS = 1000;
// After each batch twice as long as it took, so that PostgreSQL is there for requests meanwhile. None of these sessions is trusted
// anyway, however long their rows take.
const PAUSE_SHARE = 2;
const PAUSE_LEAST_MS = 20;

/**
 * Ends the rows of incidents, on whichever instance is free. It looks for them once a second, so that what an instance leaves
 * when it dies is taken up by another.
 */
@Injectable()
export class IncidentWorker implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(IncidentWorker.name);
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> | null = null;
  private isStopping = false;

  constructor(
    private readonly database: Database,
    private readonly notifications: Notifications,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.wake(), POLL_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await this.working;
  }

  /** There may be something to do. */
  wake(): void {
    this.working ??= this.work().finally(() => (this.working = null));
  }

  private async work(): Promise<void> {
    try {
      const isAnyOpen = await hasOpenIncident(this.database);
      while (isAnyOpen && !this.isStopping) {
        const startedAt = performance.now();
        const batch = await endBatch(this.database);
        if (!batch) {
          return;
        }
        sessionsRevoked.record({ reason: INCIDENT_REASON, count: batch.count });
        this.notifications.notify(SESSION_CHANNEL, batch.events);
        await sleep(Math.max(PAUSE_LEAST_MS, PAUSE_SHARE * (performance.now() - startedAt)));
      }
    } catch (error) {
      this.logger.warn(`Could not end sessions of an incident, trying again: ${String(error)}`);
    }
  }
}
