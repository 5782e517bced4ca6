import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditEvent } from '../audit/audit-event.entity.js';
import { AppConfig } from '../config/config.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { UsersModule } from '../users/users.module.js';
import { ALGORITHM, AccessTokens, TOKEN_TYPE } from './access-tokens.js';
import { AuthController } from './auth.controller.js';
import { AuthRepository } from './auth.repository.js';
import { AuthService } from './auth.service.js';
import { JwtStrategy, jwtKey } from './jwt.strategy.js';
import { RefreshCookie } from './refresh-cookie.js';

/** Who are you? */
@Module({
  imports: [
    TypeOrmModule.forFeature([AuditEvent]),
    JwtModule.registerAsync({
      inject: [AppConfig],
      useFactory: (config: AppConfig) => ({
        secret: jwtKey(config),
        signOptions: { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: TOKEN_TYPE } },
      }),
    }),
    SessionsModule,
    UsersModule,
  ],
  controllers: [AuthController],
  providers: [AuthService, AuthRepository, AccessTokens, JwtStrategy, RefreshCookie],
  exports: [RefreshCookie],
})
export class AuthModule {}
