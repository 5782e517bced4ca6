import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { AccountModule } from './account/account.module.js';
import { AdminModule } from './admin/admin.module.js';
import { AuthModule } from './auth/auth.module.js';
import { CorsAdvice } from './http/cors-advice.js';
import { CrossSiteGuard } from './http/cross-site.guard.js';
import { HttpsGuard } from './http/https.guard.js';
import { JwtAuthGuard } from './auth/jwt-auth.guard.js';
import { RoleGuard } from './auth/role.guard.js';
import { BodyGuard } from './http/body.js';
import { ProblemFilter } from './problems/problem.filter.js';
import type { AppConfig } from './config/config.js';
import { ConfigModule } from './config/config.module.js';
import { DatabaseModule } from './database/database.module.js';
import { SchemaFilter } from './database/schema.filter.js';
import { DevMailsModule } from './dev-mails/dev-mails.module.js';
import { ForwardAuthModule } from './forward-auth/forward-auth.module.js';
import { HealthModule } from './health/health.module.js';
import { KeysModule } from './keys/keys.module.js';
import { LimitsModule } from './limits/limits.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { OAuthModule } from './oauth/oauth.module.js';
import { AccountPageModule, ClientFilesModule, MailLinksModule } from './pages/pages.module.js';
import { PlacesModule } from './places/places.module.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { SessionEventsModule } from './session-events/session-events.module.js';
import { SignalsModule } from './signals/signals.module.js';
import { UsersModule } from './users/users.module.js';

const CORE = [DatabaseModule, KeysModule, LimitsModule, UsersModule, SessionsModule, AuthModule];

// Each can be deleted: its folder, and its line here. Three more are for the settings to decide, below.
const FEATURES = [
  AccountModule,
  AdminModule,
  ClientFilesModule,
  ForwardAuthModule,
  HealthModule,
  MailLinksModule,
  OAuthModule,
  PlacesModule,
  SessionEventsModule,
  SignalsModule,
];

/** The core, the features, and what every request passes: guards in the order in which they refuse. */
@Module({
  imports: [...CORE, ...FEATURES],
  providers: [
    // Of filters the later one is asked first.
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_FILTER, useClass: SchemaFilter },
    CorsAdvice,
    JwtAuthGuard,
    RoleGuard,
    // 403 for another site, 401, 403 for the role, and only then what is wrong with the body.
    { provide: APP_GUARD, useClass: HttpsGuard },
    { provide: APP_GUARD, useClass: CrossSiteGuard },
    { provide: APP_GUARD, useExisting: JwtAuthGuard },
    { provide: APP_GUARD, useExisting: RoleGuard },
    { provide: APP_GUARD, useClass: BodyGuard },
  ],
})
export class AppModule {
  static forRoot(config: AppConfig): DynamicModule {
    const metrics = config.metricsPort === undefined ? [] : [MetricsModule];
    const page = config.hasAccountPage ? [AccountPageModule] : [];
    const mailbox = config.hasDevMails ? [DevMailsModule] : [];
    return { module: AppModule, imports: [ConfigModule.forRoot(config), ...metrics, ...page, ...mailbox] };
  }
}
