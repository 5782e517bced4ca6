import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/audit.module.js';
import { AuthModule } from '../../auth/auth.module.js';
import { LimitsModule } from '../../limits/limits.module.js';
import { MailModule } from '../../mail/mail.module.js';
import { SessionsModule } from '../../sessions/sessions.module.js';
import { UsersModule } from '../../users/users.module.js';
import { ServiceClientsModule } from '../../service-clients/clients.module.js';
import { GlobalRevocation } from './global-revocation.service.js';
import { RevocationController } from './revocation.controller.js';
import { Subjects } from './subjects.js';
import { TokenRevocation } from './token-revocation.service.js';
import { UnknownTokenLimit } from './unknown-token-limit.js';

/** Ending sessions from elsewhere: that of a token, and all of a user. */
@Module({
  imports: [AuditModule, AuthModule, LimitsModule, MailModule, ServiceClientsModule, SessionsModule, UsersModule],
  controllers: [RevocationController],
  providers: [TokenRevocation, GlobalRevocation, Subjects, UnknownTokenLimit],
})
export class RevocationModule {}
