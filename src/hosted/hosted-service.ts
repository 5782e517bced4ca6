import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { NEST_OPTIONS, setUpApp } from '../app.js';
import { AppModule } from '../app.module.js';
import type { AppConfig } from '../config/config.js';
import { createAdapter } from '../http/adapter.js';
import { Readiness } from '../http/readiness.js';
import { SessionStreams } from '../session-events/session-streams.js';
import { RouteTable } from './route-table.js';

const HOOKS: ReadonlySet<string | symbol> = new Set([
  'onModuleInit',
  'onApplicationBootstrap',
  'onModuleDestroy',
  'beforeApplicationShutdown',
  'onApplicationShutdown',
]);

/**
 * The whole service within another application: a Nest application of its own that does not listen. So it has its own
 * guards, pipes, filters, hooks and data source, and the other one keeps its own; they share the process and its log.
 */
export class HostedService {
  private constructor(
    private readonly app: NestFastifyApplication,
    private readonly fastify: FastifyInstance,
    private readonly routes: RouteTable,
  ) {}

  /** The database is reached, and migrated, on the way. Throws what the start of the service throws. */
  static async start(config: AppConfig, exclude: readonly string[]): Promise<HostedService> {
    const app = await NestFactory.create<NestFastifyApplication>(
      AppModule.forRoot(config),
      // Requests are the application's to log.
      createAdapter(config, pino({ level: 'silent' })),
      { ...NEST_OPTIONS, autoFlushLogs: false },
    );
    const urls = await setUpApp(app, config);
    const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
    await fastify.ready();
    return new HostedService(app, fastify, new RouteTable(urls, exclude));
  }

  /** A provider of the service. Its hooks are called by the service alone, and not by the application that has it too. */
  get<T extends object>(token: Type<T>): T {
    return new Proxy(this.app.get(token, { strict: false }), {
      get: (target, name) => (HOOKS.has(name) ? undefined : Reflect.get(target, name)),
    });
  }

  /** Whether the service answers requests of this address. */
  has(request: Pick<IncomingMessage, 'url'>): boolean {
    return this.routes.has(request);
  }

  /** Answers a request of which nothing was read yet. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    this.fastify.routing(request, response);
  }

  /** Ends what would stay open, so that the application's server can close. Everything else is still answered. */
  endStreams(): void {
    this.app.get(Readiness, { strict: false }).leave();
    this.app.get(SessionStreams, { strict: false }).onModuleDestroy();
  }

  close(): Promise<void> {
    return this.app.close();
  }
}
