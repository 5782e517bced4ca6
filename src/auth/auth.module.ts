import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { AuditModule } from '../audit/audit.module.js';
import { AppConfig } from '../config/config.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { ALGORITHM, AccessTokens, TOKEN_TYPE } from './access-tokens.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { JwtStrategy, jwtKey } from './jwt.strategy.js';
import { RefreshCookie } from './refresh-cookie.js';

/** Who are you? */
@Module({
  imports: [
    JwtModule.registerAsync({
      inject: [AppConfig],
      useFactory: (config: AppConfig) => ({
        secret: jwtKey(config),
        signOptions: { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: TOKEN_TYPE } },
      }),
    }),
    AuditModule,
    LimitsModule,
    SessionsModule,
    UsersModule,
  ],
  controllers: [AuthController],
  providers: [AuthService, AccessTokens, JwtStrategy, RefreshCookie],
  exports: [RefreshCookie],
})
export class AuthModule {}
