import { CreateUsersSessionsAndAudit1795000000000 } from './1795000000000-create-users-sessions-and-audit.js';
import { CreateRateLimits1795100000000 } from './1795100000000-create-rate-limits.js';
import { LetOldAuditEventsGo1795200000000 } from './1795200000000-let-old-audit-events-go.js';
import { CreateMailsAndKnownDevices1795300000000 } from './1795300000000-create-mails-and-known-devices.js';
import { NotifySessionNews1795400000000 } from './1795400000000-notify-session-news.js';
import { CreateEmailChanges1795500000000 } from './1795500000000-create-email-changes.js';
import { IndexSessionsByUser1795520000001 } from './1795520000001-index-sessions-by-user.js';
import { IndexAuditEventsByTime1795520000002 } from './1795520000002-index-audit-events-by-time.js';
import { LeaveSessionNewsToTheService1795520000003 } from './1795520000003-leave-session-news-to-the-service.js';
import { IndexMailsByAge1795540000000 } from './1795540000000-index-mails-by-age.js';
import { AddLanguages1795560000000 } from './1795560000000-add-languages.js';
import { CreateSigningKeys1795580000000 } from './1795580000000-create-signing-keys.js';
import { CreateServiceClients1795600000000 } from './1795600000000-create-service-clients.js';
import { LeaveRoomBesideSessions1795610000000 } from './1795610000000-leave-room-beside-sessions.js';
import { AddFunctionsForPartsOfTheAuditTrail1795620000001 } from './1795620000001-add-functions-for-parts-of-the-audit-trail.js';
import { PartTheAuditTrailByMonth1795620000002 } from './1795620000002-part-the-audit-trail-by-month.js';
import { IndexUsersForStaff1795630000001 } from './1795630000001-index-users-for-staff.js';
import { IndexRareAuditEvents1795630000002 } from './1795630000002-index-rare-audit-events.js';
import { KeepRevokedSessionsRevoked1795640000000 } from './1795640000000-keep-revoked-sessions-revoked.js';
import { CreateDatabaseHistory1795640000001 } from './1795640000001-create-database-history.js';
import { CreateIncidents1795660000000 } from './1795660000000-create-incidents.js';
import { CreateReceiversAndDeliveries1795680000000 } from './1795680000000-create-receivers-and-deliveries.js';
import { NoteExpiriesOfOpenSessions1795680000001 } from './1795680000001-note-expiries-of-open-sessions.js';
import { AddAlgorithmToSigningKeys1795680500000 } from './1795680500000-add-algorithm-to-signing-keys.js';
import { NoteExpiriesOfDeletedUsers1795690000000 } from './1795690000000-note-expiries-of-deleted-users.js';

/** In the order they run. */
export const migrations = [
  CreateUsersSessionsAndAudit1795000000000,
  CreateRateLimits1795100000000,
  LetOldAuditEventsGo1795200000000,
  CreateMailsAndKnownDevices1795300000000,
  NotifySessionNews1795400000000,
  CreateEmailChanges1795500000000,
  IndexSessionsByUser1795520000001,
  IndexAuditEventsByTime1795520000002,
  LeaveSessionNewsToTheService1795520000003,
  IndexMailsByAge1795540000000,
  AddLanguages1795560000000,
  CreateSigningKeys1795580000000,
  CreateServiceClients1795600000000,
  LeaveRoomBesideSessions1795610000000,
  AddFunctionsForPartsOfTheAuditTrail1795620000001,
  PartTheAuditTrailByMonth1795620000002,
  IndexUsersForStaff1795630000001,
  IndexRareAuditEvents1795630000002,
  KeepRevokedSessionsRevoked1795640000000,
  CreateDatabaseHistory1795640000001,
  CreateIncidents1795660000000,
  CreateReceiversAndDeliveries1795680000000,
  NoteExpiriesOfOpenSessions1795680000001,
  AddAlgorithmToSigningKeys1795680500000,
  NoteExpiriesOfDeletedUsers1795690000000,
];
