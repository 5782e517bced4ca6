import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { AggregatorRegistry, Gauge, Registry } from 'prom-client';
import { codeOf } from '../common/error-code.js';
import { StartError } from '../common/start-error.js';
import { AppConfig } from '../config/config.js';
import { Metrics } from './metrics.js';

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
      // The pattern, never the address itself: a client must not be able to make up labels.
      const route = request.routeOptions.url ?? 'none';
      metrics.requestAnswered(request.method, route, reply.statusCode, reply.elapsedTime);
      done();
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    const { registry } = this.metrics;
    if (cluster.isWorker) {
      AggregatorRegistry.setRegistries([registry]);
      // oxlint-disable-next-line no-new -- made for its listener, which answers the primary
      new AggregatorRegistry();
      return;
    }
    this.server = await serveMetrics(this.config, () => registry.metrics());
    const { metricsHost, metricsPort } = this.config;
    new Logger(MetricsServer.name).log(`Metrics at http://${metricsHost}:${metricsPort}/metrics`);
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}

/** The same for a primary: what all of its workers count, added up, and how many they are. */
export async function serveMetricsOfWorkers(config: AppConfig): Promise<void> {
  if (config.metricsPort === undefined) {
    return;
  }
  const ofWorkers = new AggregatorRegistry();
  const own = new Registry();
  const workers: Gauge = new Gauge({
    name: 'latchkey_workers',
    help: 'Worker processes alive.',
    registers: [own],
    collect: () => workers.set(Object.keys(cluster.workers ?? {}).length),
  });
  await serveMetrics(config, async () => `${await ofWorkers.clusterMetrics()}\n${await own.metrics()}`);
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
  return server;
}
