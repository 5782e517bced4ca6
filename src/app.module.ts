import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { AccountModule } from './account/account.module.js';
import { AdminModule } from './admin/admin.module.js';
import { AuthModule } from './auth/auth.module.js';
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
import { HealthModule } from './health/health.module.js';
import { LimitsModule } from './limits/limits.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { AccountPageModule, MailLinksModule } from './pages/pages.module.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { SessionEventsModule } from './session-events/session-events.module.js';
import { UsersModule } from './users/users.module.js';

/** The list of rooms, and the guards in the order of refusal: 403 for the site, 401, 403 for the role, then what is wrong with the body. */
@Module({
  imports: [
    DatabaseModule,
    LimitsModule,
    UsersModule,
    SessionsModule,
    AuthModule,
    AccountModule,
    MailLinksModule,
    AdminModule,
    SessionEventsModule,
    HealthModule,
  ],
  providers: [
    // The later one is asked first.
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_FILTER, useClass: SchemaFilter },
    { provide: APP_GUARD, useClass: HttpsGuard },
    { provide: APP_GUARD, useClass: CrossSiteGuard },
    { provide: APP_GUARD, useClass: JwtAuthGuard },
    { provide: APP_GUARD, useClass: RoleGuard },
    { provide: APP_GUARD, useClass: BodyGuard },
  ],
})
export class AppModule {
  static with(config: AppConfig): DynamicModule {
    const metrics = config.metricsPort === undefined ? [] : [MetricsModule];
    const page = config.hasAccountPage ? [AccountPageModule] : [];
    return { module: AppModule, imports: [ConfigModule.with(config), ...metrics, ...page] };
  }
}
