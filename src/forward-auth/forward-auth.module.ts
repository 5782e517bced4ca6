import { Logger, Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { RefreshCookie } from '../auth/refresh-cookie.js';
import { AppConfig } from '../config/config.js';
import { ReturnToAdviceModule } from '../http/return-to-advice.js';
import { KeysModule } from '../keys/keys.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { Assertions } from './assertions.js';
import { ForwardAuthController } from './forward-auth.controller.js';
import { ForwardAuthService } from './forward-auth.service.js';
import { ForwardedAddress } from './forwarded-address.js';
import { SignInPages } from './sign-in.js';
import { VisitCookie } from './visit-cookie.js';
import { Visitors } from './visitors.js';

/** May this request pass? Asked by reverse proxies. */
@Module({
  imports: [AuthModule, KeysModule, LimitsModule, ReturnToAdviceModule, SessionsModule],
  controllers: [ForwardAuthController],
  providers: [ForwardAuthService, ForwardedAddress, SignInPages, Visitors, Assertions, VisitCookie],
})
export class ForwardAuthModule {
  constructor(refreshCookie: RefreshCookie, visitCookie: VisitCookie, { hasVisitCookie, returnToOrigins }: AppConfig) {
    if (hasVisitCookie) {
      refreshCookie.accompany(visitCookie);
    } else if (returnToOrigins.length > 0) {
      // Their people would go to and fro, and neither the proxy nor the page could say why.
      new Logger('Return').warn(
        'RETURN_TO_ORIGINS is set but VISIT_COOKIE is off: sites whose proxy asks /verify do not see who signed in. ' +
          'Start with VISIT_COOKIE=on, too.',
      );
    }
  }
}
