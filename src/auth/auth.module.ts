import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { AuditModule } from '../audit/audit.module.js';
import { AppConfig } from '../config/config.js';
import { KeysModule } from '../keys/keys.module.js';
import { SigningKeys } from '../keys/signing-keys.js';
import { MailModule } from '../mail/mail.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { accessTokenJwt, accessTokenKeys } from './access-token-jwt.js';
import { AccessTokenKeys } from './access-token-keys.js';
import { AccessTokens } from './access-tokens.js';
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
      imports: [KeysModule],
      inject: [AppConfig, SigningKeys],
      useFactory: accessTokenJwt,
    }),
    AuditModule,
    KeysModule,
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
    { provide: AccessTokenKeys, inject: [AppConfig, SigningKeys], useFactory: accessTokenKeys },
    AccessTokens,
    JwtStrategy,
    RefreshCookie,
  ],
  exports: [AccessTokens, JwtStrategy, TokenResponses, RefreshCookie],
})
export class AuthModule {}
