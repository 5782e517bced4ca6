import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { AggregatorRegistry, Gauge, register, Registry } from 'prom-client';
import type { AppConfig } from '../config/config.js';
import { codeOf } from '../problems/error-code.js';
import { StartError } from '../problems/start-error.js';

const ASK = 'metrics';
const ANSWERED_WITHIN_MS = 2000;

/**
 * Shows what this process counts, on a port of its own, which must not be reachable from outside. Without METRICS_PORT it
 * shows nothing. Returns what closes the port. Throws {@link StartError} where it cannot listen.
 */
export const serveMetrics = (config: AppConfig): Promise<() => void> => show(config, () => register.metrics());

/** Lets a worker answer its primary, which shows the metrics of all. */
export function answerMetricsOfPrimary(): void {
  const answer = (metrics: object) => process.send?.(metrics);
  process.on('message', (message) => {
    if (message === ASK) {
      // What is asked for late has closed already.
      void register.getMetricsAsJSON().then(answer, () => answer([]));
    }
  });
}

/** As {@link serveMetrics}, for a primary: what its workers count, added up, and how many they are. */
export function serveMetricsOfWorkers(config: AppConfig, listening: ReadonlySet<Worker>): Promise<() => void> {
  const own = new Registry();
  const workers: Gauge = new Gauge({
    name: 'latchkey_workers',
    help: 'Worker processes that run.',
    registers: [own],
    collect: () => workers.set(Object.keys(cluster.workers ?? {}).length),
  });
  return show(config, async () => {
    const counts = (await Promise.all([...listening].map(metricsOf))).filter((metrics) => metrics !== null);
    return `${await AggregatorRegistry.aggregate(counts).metrics()}\n${await own.metrics()}`;
  });
}

/** Null for a worker that ends before it answers, or does not in time: the others are shown all the same. */
async function metricsOf(worker: Worker): Promise<object | null> {
  const over = new AbortController();
  worker.send(ASK, () => undefined);
  try {
    return await Promise.race([
      once(worker, 'message', over).then(([metrics]: unknown[]) => (Array.isArray(metrics) ? metrics : null)),
      once(worker, 'exit', over).then(() => null),
      sleep(ANSWERED_WITHIN_MS, null, over),
    ]);
  } catch {
    return null;
  } finally {
    over.abort();
  }
}

async function show(
  { metricsPort: port, metricsHost: host }: AppConfig,
  collect: () => Promise<string>,
): Promise<() => void> {
  if (port === undefined) {
    return () => undefined;
  }
  const logger = new Logger('MetricsServer');
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    collect().then(
      (text) => response.writeHead(200, { 'Content-Type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text),
      (error: unknown) => {
        logger.error(`Could not collect the metrics: ${String(error)}`);
        response.writeHead(500).end();
      },
    );
  });
  try {
    server.listen({ port, host });
    await once(server, 'listening');
  } catch (error) {
    throw new StartError(`Cannot listen on ${host}, METRICS_PORT ${port} (${codeOf(error)}).`);
  }
  logger.log(`Metrics at http://${host}:${port}/metrics`);
  return () => {
    server.close();
    server.closeAllConnections();
  };
}
