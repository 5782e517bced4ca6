import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { createApp } from './app.setup.js';
import { createLogger } from './common/logger.js';
import { codeOf } from './common/error-code.js';
import { StartError } from './common/start-error.js';
import type { AppConfig } from './config/config.js';
import { configOfProcess } from './config/environment.js';
import { onDatabase } from './config/load-config.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './database/embedded-postgres.js';
import { Readiness } from './health/readiness.js';

const FORCED_AFTER_MS = 20_000;

/** Opens the HTTP door, and closes it in order when the process is told to stop. */
async function main(): Promise<void> {
  const config = configOfProcess();
  const logger = createLogger({ level: config.logLevel, isReadable: !config.isProduction });

  const embedded = config.databaseUrl ? null : await startEmbeddedPostgres({ dataDir: config.dataDir });
  const app = await createApp(embedded ? onDatabase(config, embedded.url) : config, logger);
  await listen(app, config);

  const stop = (signal: string) => void shutDown(app, embedded, config, logger, signal);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  greet(await app.getUrl(), config);
}

const UNUSABLE_ADDRESS = new Set(['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND']);

async function listen(app: NestFastifyApplication, { port, host }: AppConfig): Promise<void> {
  try {
    await app.listen({ port, host });
  } catch (error) {
    const code = codeOf(error);
    throw UNUSABLE_ADDRESS.has(code)
      ? new StartError(`Cannot listen on host ${host}, port ${port} (${code}). Set HOST or PORT, or end what uses it.`)
      : error;
  }
}

// Readiness first, so that nobody sends new work; then the door; the database goes last, when nobody needs it.
async function shutDown(
  app: NestFastifyApplication,
  embedded: EmbeddedPostgres | null,
  { shutdownDelayMs }: AppConfig,
  logger: Logger,
  signal: string,
): Promise<void> {
  logger.info(`${signal}: finishing what is under way`);
  setTimeout(() => process.exit(1), FORCED_AFTER_MS + shutdownDelayMs).unref();

  app.get(Readiness).stop();
  await new Promise((resolve) => setTimeout(resolve, shutdownDelayMs));
  await app.close();
  await embedded?.stop();
  logger.info('stopped');
  process.exit(0);
}

function greet(url: string, config: AppConfig): void {
  if (config.isProduction) {
    return;
  }
  // Another address at each start, so that the line works as pasted on a database that has seen it before.
  const email = `ada-${randomBytes(3).toString('hex')}@example.com`;
  console.log(`
Swagger UI   ${config.hasSwagger ? `${url}/docs` : 'off (SWAGGER=on)'}
Try it       curl -s -X POST ${url}/auth/register -H 'Content-Type: application/json' \\
               -d '{"email":"${email}","password":"correct horse battery","tokenDelivery":"body"}'
`);
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError ? error.message : error);
  process.exit(1);
});
