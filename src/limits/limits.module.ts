import { Module } from '@nestjs/common';
import sql from 'sql-template-tag';
import { AuditModule } from '../audit/audit.module.js';
import { Retention } from '../database/retention.js';
import { ExportLimit } from './export-limit.js';
import { Limiters } from './limiters.js';
import { LoginThrottle } from './login-throttle.js';
import { MailedTokenLimit } from './mailed-token-limit.js';
import { RefusalTrail } from './refusal-trail.js';
import { RegistrationLimit } from './registration-limit.js';
import { RenameLimit } from './rename-limit.js';
import { Turns } from './turns.js';

const SPENT_FOR_HOURS = 1;
const LIMITS = [
  Limiters,
  ExportLimit,
  LoginThrottle,
  RegistrationLimit,
  MailedTokenLimit,
  RenameLimit,
  RefusalTrail,
  Turns,
];

/** How often something may be asked, by account and by client network. */
@Module({
  imports: [AuditModule],
  providers: LIMITS,
  exports: LIMITS,
})
export class LimitsModule {
  constructor(retention: Retention) {
    retention.add({
      table: 'rate_limits',
      column: 'expire',
      // Later than the end of the window, since clocks of instances may differ.
      before: sql`(1000 * extract(epoch FROM now() - make_interval(hours => ${SPENT_FOR_HOURS})))::bigint`,
    });
  }
}
