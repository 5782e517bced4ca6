import type { NestApplicationOptions } from '@nestjs/common';
import { HttpAdapterHost, NestFactory } from '@nestjs/core';
import type { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import { documentedAuthentication } from './auth/documented-authentication.js';
import type { AppConfig } from './config/config.js';
import { acceptEveryRequest, createAdapter } from './http/adapter.js';
import { registerBodyParser } from './http/body.js';
import { allowOrigins, explainRefusals } from './http/cors.js';
import { CorsAdvice } from './http/cors-advice.js';
import { beginRequests, registerHooks } from './http/hooks.js';
import { collectMethods, refuseOtherMethods } from './http/methods.js';
import { keepToOneHost } from './http/one-host.js';
import { serveDocs } from './http/openapi/docs.js';
import { Readiness } from './http/readiness.js';
import { requestLog } from './http/request-log.js';
import { validationPipe } from './http/validation.js';
import { NestLogger } from './process/logger.js';

export const NEST_OPTIONS = { bodyParser: false, abortOnError: false } satisfies NestApplicationOptions;

/** The whole service, ready to listen. The database is reached, and migrated, on the way. */
export async function createApp(config: AppConfig, logger: Logger): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(config),
    createAdapter(config, logger),
    {
      ...NEST_OPTIONS,
      logger: new NestLogger(logger),
    },
  );
  await setUpApp(app, config);
  return app;
}

/**
 * Everything between the socket and the controllers, in the order in which a request meets it. Returns the addresses of all
 * routes.
 */
export async function setUpApp(app: NestFastifyApplication, config: AppConfig): Promise<string[]> {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  acceptEveryRequest(fastify);
  beginRequests(app.get<HttpAdapterHost<FastifyAdapter>>(HttpAdapterHost).httpAdapter, requestLog(fastify, config));
  allowOrigins(app, config);
  registerBodyParser(fastify, config.bodyLimitBytes);
  registerHooks(fastify, app.get(Readiness));
  keepToOneHost(fastify, config);
  explainRefusals(fastify, app.get(CorsAdvice), config);
  app.useGlobalPipes(validationPipe);
  const methodsOf = collectMethods(fastify);
  if (config.hasSwagger) {
    serveDocs(app, documentedAuthentication(config.isCookieSecure), config.brandName);
  }
  await app.init();
  refuseOtherMethods(fastify, methodsOf);
  return [...methodsOf.keys()];
}
