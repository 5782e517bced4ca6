import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { MailModule } from '../mail/mail.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccountChanges } from './account-change.js';
import { AccountController } from './account.controller.js';
import { AccountExport } from './account-export.js';
import { AccountRecoveryService } from './account-recovery.service.js';
import { AccountService } from './account.service.js';
import { DisownController } from './disown.controller.js';
import { EmailController } from './email.controller.js';
import { EmailChangeService } from './email-change.service.js';
import { EmailVerificationService } from './email-verification.service.js';
import { LinkPreviewService } from './link-preview.service.js';
import { LinksController } from './links.controller.js';
import { LinkRequestsService } from './link-requests.service.js';
import { PasswordResetService } from './password-reset.service.js';
import { PasswordsController } from './passwords.controller.js';
import { PasswordsService } from './passwords.service.js';
import { Reauthentication } from './reauthentication.js';

/** What a person does with their account: password, address, export, deletion, and "this was not me". */
@Module({
  imports: [AuditModule, AuthModule, LimitsModule, MailModule, SessionsModule, UsersModule],
  controllers: [AccountController, PasswordsController, EmailController, LinksController, DisownController],
  providers: [
    AccountService,
    AccountRecoveryService,
    AccountExport,
    AccountChanges,
    Reauthentication,
    PasswordsService,
    PasswordResetService,
    EmailChangeService,
    EmailVerificationService,
    LinkRequestsService,
    LinkPreviewService,
  ],
})
export class AccountModule {}
