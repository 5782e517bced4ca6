import {
  type DynamicModule,
  type FactoryProvider,
  Global,
  Module,
  type ModuleMetadata,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AccessTokens } from '../auth/access-tokens.js';
import type { AppConfig } from '../config/config.js';
import { StartError } from '../problems/start-error.js';
import { SessionWatcher } from '../session-events/session-watcher.js';
import { SessionChecker } from '../sessions/check/session-checker.js';
import { LogoutService } from '../sessions/revoke/logout.service.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { HostedService } from './hosted-service.js';
import { hostOn } from './hosting.js';
import { JwtAuthGuard } from './jwt-auth.guard.js';
import { configOfSettings, type LatchkeySettings } from './settings.js';

/** What of the service can be injected everywhere in the application. */
const SHARED = [SessionsService, LogoutService, SessionChecker, SessionWatcher, AccessTokens] as const;

const SETTINGS = Symbol('LatchkeySettings');

export interface LatchkeyAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'];
  // As Nest itself has it: what is injected is known to the list above it alone.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly useFactory: (...injected: any[]) => LatchkeySettings | AppConfig | Promise<LatchkeySettings | AppConfig>;
}

/**
 * Latchkey within an application: it answers its own addresses on the application's server, and guards the application's
 * routes. To be imported once, at the root.
 */
@Global()
@Module({})
export class LatchkeyModule implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  private hidden: ReadonlySet<string> = new Set();

  constructor(
    private readonly service: HostedService,
    host: HttpAdapterHost,
  ) {
    // At once where there is a server, so that nothing of the application comes before; a test module has one later.
    host.init$.subscribe(() => {
      this.hidden = hostOn(host.httpAdapter, service);
    });
  }

  static forRoot(settings: LatchkeySettings | AppConfig): DynamicModule {
    return LatchkeyModule.forRootAsync({ useFactory: () => settings });
  }

  static forRootAsync({ imports = [], inject = [], useFactory }: LatchkeyAsyncOptions): DynamicModule {
    return {
      module: LatchkeyModule,
      imports,
      providers: [
        { provide: SETTINGS, inject, useFactory },
        { provide: HostedService, inject: [SETTINGS], useFactory: startService },
        JwtAuthGuard,
        ...SHARED.map((token) => ({
          provide: token,
          inject: [HostedService],
          useFactory: (service: HostedService) => service.get<object>(token),
        })),
      ],
      exports: [HostedService, JwtAuthGuard, ...SHARED],
    };
  }

  /** Throws {@link StartError} where the application has routes that would never be reached. */
  onApplicationBootstrap(): void {
    if (this.hidden.size > 0) {
      throw new StartError(
        `The application and Latchkey both have: ${[...this.hidden].join(', ')}. Leave addresses to the application with ` +
          `the setting exclude, or give it others.`,
      );
    }
  }

  onModuleDestroy(): void {
    this.service.endStreams();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.service.close();
  }
}

const startService = (settings: LatchkeySettings | AppConfig): Promise<HostedService> =>
  HostedService.start(configOfSettings(settings), 'exclude' in settings ? (settings.exclude ?? []) : []);
