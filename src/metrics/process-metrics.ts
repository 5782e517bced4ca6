import { readFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, type Gauge, register } from 'prom-client';
import { featureMetrics } from '../http/feature-metrics.js';
import { collectedCounter, gauge } from './instruments.js';

// One of prom-client's default metrics: they are the process's, and stay where an application is made anew.
const OF_DEFAULTS = 'process_start_time_seconds';

/** What is running, how Node is, and the metrics that features bring themselves. */
@Injectable()
export class ProcessMetrics {
  constructor() {
    if (!register.getSingleMetric(OF_DEFAULTS)) {
      collectDefaultMetrics();
    }
    gauge('build_info', 'The version of the service and of Node, always 1.', {
      labelNames: ['version', 'node'],
      aggregator: 'max',
    }).set({ version: versionOfPackage(), node: process.versions.node }, 1);
    for (const metric of featureMetrics()) {
      const { name, help, kind, aggregator, label } = metric;
      if (kind === 'counter') collectedCounter(name, help, metric);
      else if (label === undefined) gauge(name, help, { aggregator, collect: (made) => made.set(metric.value) });
      else
        gauge(name, help, { aggregator, labelNames: [label], collect: (made) => setAll(made, label, metric.values) });
    }
  }
}

function setAll(made: Gauge, label: string, values: ReadonlyMap<string, number>): void {
  made.reset();
  for (const [value, number] of values) made.set({ [label]: value }, number);
}

function versionOfPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return /"version": "([^"]+)"/.exec(text)?.[1] ?? 'unknown';
}
