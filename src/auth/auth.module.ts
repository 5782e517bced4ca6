import { Module } from '@nestjs/common';
import { JwtModule, JwtSecretRequestType } from '@nestjs/jwt';
import { AuditModule } from '../audit/audit.module.js';
import { AppConfig } from '../config/config.js';
import { MailModule } from '../mail/mail.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { ALGORITHM, AccessTokens, JwtKeys, TOKEN_TYPE } from './access-tokens.js';
import { AccountController } from '../account/account.controller.js';
import { AccountRecoveryService } from '../account/account-recovery.service.js';
import { AccountExport } from '../account/account-export.js';
import { AccountService } from '../account/account.service.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { CallerPassword } from '../account/caller-password.js';
import { DisownController } from '../account/disown.controller.js';
import { EmailController } from '../account/email.controller.js';
import { EmailService } from '../account/email.service.js';
import { Grants } from './grants.js';
import { MailLinksController } from '../pages/mail-links.controller.js';
import { PasswordsController } from '../account/passwords.controller.js';
import { PasswordsService } from '../account/passwords.service.js';
import { JwtStrategy } from './jwt.strategy.js';
import { RefreshCookie } from './refresh-cookie.js';

/** Who are you? */
@Module({
  imports: [
    JwtModule.registerAsync({
      inject: [AppConfig],
      useFactory: (config: AppConfig) => {
        const keys = new JwtKeys(config);
        return {
          secretOrKeyProvider: (type, token) =>
            type === JwtSecretRequestType.VERIFY && typeof token === 'string' ? keys.of(token) : keys.signing,
          signOptions: { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: TOKEN_TYPE } },
        };
      },
    }),
    AuditModule,
    LimitsModule,
    MailModule,
    SessionsModule,
    UsersModule,
  ],
  controllers: [
    AuthController,
    AccountController,
    PasswordsController,
    EmailController,
    DisownController,
    MailLinksController,
  ],
  providers: [
    AuthService,
    AccountService,
    AccountRecoveryService,
    AccountExport,
    CallerPassword,
    PasswordsService,
    EmailService,
    Grants,
    AccessTokens,
    JwtStrategy,
    RefreshCookie,
  ],
  exports: [AccessTokens, JwtStrategy, RefreshCookie],
})
export class AuthModule {}
