import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { Sweeper } from '../database/sweeper.js';
import { ExportLimit } from './export-limit.js';
import { LoginThrottle } from './login-throttle.js';
import { MailedTokenLimit } from './mailed-token-limit.js';
import { RefusalTrail } from './refusal-trail.js';
import { RegistrationLimit } from './registration-limit.js';
import { RenameLimit } from './rename-limit.js';
import { Turns } from './turns.js';

const SPENT_FOR_HOURS = 1;

/** How often, and from where. */
@Module({
  imports: [AuditModule],
  providers: [ExportLimit, LoginThrottle, RegistrationLimit, MailedTokenLimit, RenameLimit, RefusalTrail, Turns],
  exports: [ExportLimit, LoginThrottle, RegistrationLimit, MailedTokenLimit, RenameLimit, RefusalTrail, Turns],
})
export class LimitsModule {
  constructor(sweeper: Sweeper) {
    sweeper.add({
      table: 'rate_limits',
      column: 'expire',
      before: '(1000 * extract(epoch FROM now() - make_interval(hours => $1)))::bigint',
      // Clocks of instances may differ.
      parameters: [SPENT_FOR_HOURS],
    });
  }
}
