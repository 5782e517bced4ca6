import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AppConfig } from '../config/config.js';
import { ourEntities } from '../database/data-source.js';
import { Retention } from '../database/retention.js';
import { ChecksRepository } from './check/checks.repository.js';
import { EndedSessionUses } from './check/ended-session-uses.js';
import { LimitsModule } from '../limits/limits.module.js';
import { Incident } from './incidents/incident.entity.js';
import { IncidentWorker } from './incidents/incident-worker.js';
import { Incidents } from './incidents/incidents.service.js';
import { KnownDevice } from './known-device.entity.js';
import { DEVICE_KNOWN_DAYS, KnownDevices } from './known-devices.js';
import { LogoutRepository } from './revoke/logout.repository.js';
import { LogoutService } from './revoke/logout.service.js';
import { RefreshRepository } from './refresh/refresh.repository.js';
import { RefreshService } from './refresh/refresh.service.js';
import { RefreshTokens } from './refresh/refresh-token.js';
import { SessionActivity } from './check/session-activity.js';
import { SessionChecker } from './check/session-checker.js';
import { Revocations } from './revoke/revocations.js';
import { SessionOpeningRepository } from './session-opening.repository.js';
import { Session } from './session.entity.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionsService } from './sessions.service.js';

/** Which devices are signed in? */
@Module({
  imports: [ourEntities(Session, KnownDevice, Incident), LimitsModule],
  controllers: [SessionsController],
  providers: [
    SessionsService,
    SessionsRepository,
    SessionOpeningRepository,
    KnownDevices,
    Revocations,
    LogoutService,
    LogoutRepository,
    RefreshService,
    RefreshRepository,
    RefreshTokens,
    SessionChecker,
    ChecksRepository,
    SessionActivity,
    EndedSessionUses,
    Incidents,
    IncidentWorker,
  ],
  exports: [
    SessionsService,
    RefreshService,
    LogoutService,
    Revocations,
    KnownDevices,
    SessionChecker,
    EndedSessionUses,
    Incidents,
  ],
})
export class SessionsModule {
  constructor(retention: Retention, { sessionRetentionDays, auditRetentionDays }: AppConfig) {
    retention.add({
      table: 'sessions',
      // Never before the absolute end: until then the reuse of a token must be recognised (RT-08).
      column: 'expires_at',
      before: sql`now() - make_interval(days => ${sessionRetentionDays})`,
    });
    retention.add({
      table: 'known_devices',
      column: 'last_seen_at',
      before: sql`now() - make_interval(days => ${DEVICE_KNOWN_DAYS})`,
    });
    retention.add({
      table: 'incidents',
      // One that is open has none, and stays.
      column: 'finished_at',
      before: sql`now() - make_interval(days => ${auditRetentionDays})`,
    });
  }
}
