import 'reflect-metadata';
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger as NestLog } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { createApp } from './app.js';
import { Connections } from './process/connections.js';
import { createLogger, NestLogger } from './process/logger.js';
import { codeOf } from './problems/error-code.js';
import { onHangUp } from './process/hang-up.js';
import { StartError } from './problems/start-error.js';
import { keepRequestsYoung } from './process/young-generation.js';
import type { AppConfig } from './config/config.js';
import { configOfProcess } from './config/environment.js';
import { onDatabase } from './config/load-config.js';
import { startEmbeddedPostgres } from './database/embedded/embedded-postgres.js';
import { Readiness } from './http/readiness.js';
import { answerMetricsOfPrimary, serveMetrics } from './process/metrics-server.js';
import { RETIRE, type Service, startWorkers } from './process/workers.js';

const FORCED_AFTER_MS = 20_000;
const LEAVES_AFTER_MS = 1000;

/** Opens the HTTP door, and closes it in order when the process is told to stop. */
async function main(): Promise<void> {
  const settings = configOfProcess();
  const logger = createLogger({ level: settings.logLevel, isReadable: !settings.isProduction });
  // The application would see to it, but a primary has none.
  NestLog.overrideLogger(new NestLogger(logger));

  const embedded = settings.databaseUrl ? null : await startEmbeddedPostgres({ dataDir: settings.dataDir });
  const config = embedded ? onDatabase(settings, embedded.url) : settings;
  const hasWorkers = cluster.isPrimary && config.workers !== undefined;
  // Workers read all settings themselves, but where an embedded PostgreSQL of ours listens they cannot know.
  const environment = embedded ? { DATABASE_URL: embedded.url } : {};
  const service = await (hasWorkers ? startWorkers(config, environment, logger) : serve(config, logger));

  const stop = (signal: NodeJS.Signals) => {
    logger.info(`${signal}: finishing what is under way`);
    if (cluster.isWorker) {
      // Where a whole group is signalled, its primary tells it again.
      process.on(signal, () => undefined);
    }
    const patienceMs = FORCED_AFTER_MS + config.shutdownDelayMs;
    // Workers are given up first, by themselves.
    setTimeout(() => process.exit(1), hasWorkers ? patienceMs + 1000 : patienceMs).unref();
    void service
      .close(signal)
      .then(() => embedded?.stop())
      .then(() => {
        logger.info('stopped');
        process.exit(0);
      });
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (cluster.isPrimary) {
    greet(service.url, config);
  }
}

/** Serves requests in this process. */
async function serve(config: AppConfig, logger: Logger): Promise<Service> {
  // At once, since its primary may ask before it listens.
  const isToRetire = new Promise<void>((resolve) => {
    process.on('message', (message) => message === RETIRE && resolve());
  });
  onHangUp(() => {
    if (cluster.isPrimary) {
      logger.warn(
        'SIGHUP: without workers nothing is replaced. Restart the process for new code, settings and secrets.',
      );
    }
  });
  keepRequestsYoung();
  const app = await createApp(config, logger);
  if (cluster.isWorker) answerMetricsOfPrimary();
  const closeMetrics = cluster.isWorker ? null : await serveMetrics(config);
  const connections = new Connections(app.getHttpServer());
  await listen(app, config);

  const readiness = app.get(Readiness);
  const close = async () => {
    connections.end();
    await app.close();
    closeMetrics?.();
  };
  // The others take what comes from now on. Whoever has connected here already is about to ask.
  const retire = async () => {
    readiness.leave();
    connections.refuseNew();
    await sleep(LEAVES_AFTER_MS);
    await close();
    process.exit(0);
  };
  void isToRetire.then(retire);
  return {
    url: await app.getUrl(),
    // Readiness first, so that nobody sends new work; then the door.
    async close() {
      readiness.stop();
      await sleep(config.shutdownDelayMs);
      await close();
    },
  };
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

function greet(url: string, config: AppConfig): void {
  if (config.isProduction) {
    return;
  }
  // Another address at each start, so that the line works as pasted on a database that has seen it before.
  const email = `ada-${randomBytes(3).toString('hex')}@example.com`;
  console.log(`
The page     ${config.hasAccountPage ? url : 'off (ACCOUNT_PAGE=on)'}
Swagger UI   ${config.hasSwagger ? `${url}/docs` : 'off (SWAGGER=on)'}
Try it       curl -s -X POST ${url}/auth/register -H 'Content-Type: application/json' \\
               -d '{"email":"${email}","password":"correct horse battery","tokenDelivery":"body"}'
`);
}

main().catch((error: unknown) => {
  console.error(error instanceof StartError ? error.message : error);
  process.exit(1);
});
