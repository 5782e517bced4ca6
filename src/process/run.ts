import 'reflect-metadata';
import cluster from 'node:cluster';
import { Logger as NestLog } from '@nestjs/common';
import { configOfProcess } from '../config/environment.js';
import { onDatabase } from '../config/load-config.js';
import { startEmbeddedPostgres } from '../database/embedded/embedded-postgres.js';
import { StartError } from '../problems/start-error.js';
import { greeting } from './greeting.js';
import { createLogger, NestLogger } from './logger.js';
import { serve } from './serve.js';
import { onStopSignal } from './stop-signals.js';
import { startWorkers } from './workers.js';

const FORCED_AFTER_MS = 20_000;

/** Starts the service, in this process or in workers, and stops it in order on SIGTERM or SIGINT. */
async function run(): Promise<void> {
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
  onStopSignal(stop, (signal) => {
    logger.warn(`${signal} again: ending at once`);
    process.exit(1);
  });
  if (cluster.isPrimary && !config.isProduction) {
    console.log(greeting(service.url, config));
  }
}

run().catch((error: unknown) => {
  console.error(error instanceof StartError ? error.message : error);
  process.exit(1);
});
