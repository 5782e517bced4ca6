import { Module } from '@nestjs/common';
import { JwtModule, JwtSecretRequestType } from '@nestjs/jwt';
import { AuditModule } from '../audit/audit.module.js';
import { AppConfig } from '../config/config.js';
import { MailModule } from '../mail/mail.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { ALGORITHM, AccessTokens, JwtKeys, TOKEN_TYPE } from './access-tokens.js';
import { AddressConfirmation } from './address-confirmation.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { TokenResponses } from './token-response.js';
import { JwtStrategy } from './jwt.strategy.js';
import { RefreshCookie } from './refresh-cookie.js';
import { RegistrationService } from './registration.service.js';

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
  controllers: [AuthController],
  providers: [
    AuthService,
    RegistrationService,
    AddressConfirmation,
    TokenResponses,
    AccessTokens,
    JwtStrategy,
    RefreshCookie,
  ],
  exports: [AccessTokens, TokenResponses, JwtStrategy, RefreshCookie],
})
export class AuthModule {}
