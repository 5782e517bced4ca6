import { once } from 'node:events';
import { createServer } from 'node:http';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { codeOf } from '../common/error-code.js';
import { StartError } from '../common/start-error.js';
import { AppConfig } from '../config/config.js';
import { Metrics } from './metrics.js';

/** Shows the metrics on a port of their own, which nobody outside should reach. */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(MetricsServer.name);
  private readonly server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    this.metrics.registry.metrics().then(
      (text) => response.writeHead(200, { 'Content-Type': this.metrics.registry.contentType }).end(text),
      (error: unknown) => {
        this.logger.error(`Could not collect the metrics: ${String(error)}`);
        response.writeHead(500).end();
      },
    );
  });

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
    const { metricsPort: port, metricsHost: host } = this.config;
    try {
      this.server.listen({ port, host });
      await once(this.server, 'listening');
    } catch (error) {
      throw new StartError(`Cannot listen on ${host}, METRICS_PORT ${port} (${codeOf(error)}).`);
    }
    this.logger.log(`Metrics at http://${host}:${port}/metrics`);
  }

  onApplicationShutdown(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
