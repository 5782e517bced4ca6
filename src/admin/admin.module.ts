import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { MailModule } from '../mail/mail.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { AdminController } from './admin.controller.js';
import { AdminService } from './admin.service.js';
import { IncidentsController } from './incidents.controller.js';
import { StaffActions } from './staff-actions.js';
import { StaffMails } from './staff-mails.js';

/** What staff may do. */
@Module({
  imports: [AuditModule, LimitsModule, MailModule, SessionsModule, UsersModule],
  controllers: [AdminController, IncidentsController],
  providers: [AdminService, StaffActions, StaffMails],
})
export class AdminModule {}
