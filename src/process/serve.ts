import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { createApp } from '../app.js';
import type { AppConfig } from '../config/config.js';
import { Readiness } from '../http/readiness.js';
import { Connections } from './connections.js';
import { onHangUp } from './hang-up.js';
import { listen, urlOf } from './listen.js';
import { answerMetricsOfPrimary, serveMetrics } from './metrics-server.js';
import { RETIRE, type Service } from './workers.js';

const LEAVES_AFTER_MS = 1000;

/** Serves requests in this process. Throws `StartError` where it cannot listen. */
export async function serve(config: AppConfig, logger: Logger): Promise<Service> {
  // At once, since a primary may ask before its worker listens.
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
  const app = await createApp(config, logger);
  const closeMetrics = await startMetrics(config);
  const connections = new Connections(app.getHttpServer());
  const port = await listen(app, connections, config);

  const close = async () => {
    connections.end();
    await connections.endOfListener();
    await app.close();
    closeMetrics();
  };
  void isToRetire.then(() => retire(app, connections, close));
  return {
    url: urlOf(config.host, port),
    // Readiness first, so that nothing new is sent here; only then the connections.
    async close() {
      app.get(Readiness).stop();
      await sleep(config.shutdownDelayMs);
      await close();
    },
  };
}

async function startMetrics(config: AppConfig): Promise<() => void> {
  if (cluster.isPrimary) {
    return serveMetrics(config);
  }
  answerMetricsOfPrimary();
  return () => undefined;
}

/** Leaves new connections to the other workers. Clients that have connected here already are about to ask. */
async function retire(app: NestFastifyApplication, connections: Connections, close: () => Promise<void>) {
  app.get(Readiness).leave();
  connections.refuseNew();
  await sleep(LEAVES_AFTER_MS);
  await close();
  process.exit(0);
}
