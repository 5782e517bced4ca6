import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { staysOpen } from '../http/stays-open.js';
import { LIMIT_NAMES, limitHit } from '../limits/limits.measurements.js';
import { counter, histogram, LATENCY_BUCKETS } from './instruments.js';

const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'];

/** How requests are answered, how fast, and how many are refused for now. */
@Injectable()
export class RequestMetrics implements OnApplicationShutdown {
  readonly onApplicationShutdown: () => void;

  constructor({ httpAdapter }: HttpAdapterHost) {
    const seconds = histogram('http_request_duration_seconds', 'Duration of requests by route and status.', {
      labelNames: ['method', 'route', 'status'],
      buckets: LATENCY_BUCKETS,
    });
    const answers = counter('http_answers_total', 'Requests by class of status.', 'class', STATUS_CLASSES);
    const limitHits = counter('rate_limit_hits_total', 'Requests refused by a limit.', 'limit', LIMIT_NAMES);

    const fastify: FastifyInstance = httpAdapter.getInstance();
    fastify.addHook('onResponse', (request, reply, done) => {
      const { method, routeOptions } = request;
      const status = reply.statusCode;
      answers.inc({ class: `${Math.floor(status / 100)}xx` });
      if (!staysOpen({ routeOptions }) || status !== 200) {
        // The pattern, never the address itself: a client must not be able to make up labels.
        seconds.observe({ method, route: routeOptions.url ?? 'none', status }, reply.elapsedTime / 1000);
      }
      done();
    });
    this.onApplicationShutdown = limitHit.subscribe(({ limit }) => limitHits.inc({ limit }));
  }
}
