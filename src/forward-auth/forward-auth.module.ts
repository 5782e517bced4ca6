import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { RefreshCookie } from '../auth/refresh-cookie.js';
import { AppConfig } from '../config/config.js';
import { KeysModule } from '../keys/keys.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { Assertions } from './assertions.js';
import { ForwardAuthController } from './forward-auth.controller.js';
import { ForwardAuthService } from './forward-auth.service.js';
import { VisitCookie } from './visit-cookie.js';
import { Visitors } from './visitors.js';

/** May this request pass? Asked by reverse proxies. */
@Module({
  imports: [AuthModule, KeysModule, LimitsModule, SessionsModule],
  controllers: [ForwardAuthController],
  providers: [ForwardAuthService, Visitors, Assertions, VisitCookie],
})
export class ForwardAuthModule {
  constructor(refreshCookie: RefreshCookie, visitCookie: VisitCookie, { hasVisitCookie }: AppConfig) {
    if (hasVisitCookie) {
      refreshCookie.accompany(visitCookie);
    }
  }
}
