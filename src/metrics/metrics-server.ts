import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { AggregatorRegistry, Gauge, Registry } from 'prom-client';
import { codeOf } from '../problems/error-code.js';
import { StartError } from '../problems/start-error.js';
import { AppConfig } from '../config/config.js';
import { STAYS_OPEN } from '../session-events/streams.controller.js';
import { Metrics } from './metrics.js';

const ASK = 'metrics';
const ANSWERED_WITHIN_MS = 2000;

/** Shows the metrics on a port of their own, which nobody outside should reach. A worker hands them to its primary. */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private server: Server | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly config: AppConfig,
    adapter: HttpAdapterHost,
  ) {
    const fastify: FastifyInstance = adapter.httpAdapter.getInstance();
    fastify.addHook('onResponse', (request, reply, done) => {
      const { config: route, url } = request.routeOptions;
      metrics.requestAnswered({
        method: request.method,
        // The pattern, never the address itself: a client must not be able to make up labels.
        route: url ?? 'none',
        status: reply.statusCode,
        // How long a stream stayed open is no latency.
        milliseconds: STAYS_OPEN in route && reply.statusCode === 200 ? null : reply.elapsedTime,
      });
      done();
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    const { registry } = this.metrics;
    if (cluster.isWorker) {
      const tell = (metrics: object) => process.send?.(metrics);
      process.on('message', (message) => {
        if (message === ASK) {
          // What is asked for late has closed already.
          void registry.getMetricsAsJSON().then(tell, () => tell([]));
        }
      });
      return;
    }
    this.server = await serveMetrics(this.config, () => registry.metrics());
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}

/** The same for a primary: what its workers count, added up, and how many they are. */
export async function serveMetricsOfWorkers(config: AppConfig, listening: ReadonlySet<Worker>): Promise<void> {
  if (config.metricsPort === undefined) {
    return;
  }
  const own = new Registry();
  const workers: Gauge = new Gauge({
    name: 'latchkey_workers',
    help: 'Worker processes alive.',
    registers: [own],
    collect: () => workers.set(Object.keys(cluster.workers ?? {}).length),
  });
  await serveMetrics(config, async () => {
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

async function serveMetrics(
  { metricsPort: port, metricsHost: host }: AppConfig,
  collect: () => Promise<string>,
): Promise<Server> {
  const logger = new Logger(MetricsServer.name);
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
  return server;
}
