import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { LoginThrottle } from './login-throttle.js';
import { RegistrationLimit } from './registration-limit.js';

/** How often, and from where. */
@Module({
  imports: [AuditModule],
  providers: [LoginThrottle, RegistrationLimit],
  exports: [LoginThrottle, RegistrationLimit],
})
export class LimitsModule {}
