import { setTimeout as sleep } from 'node:timers/promises';
import type { FeatureMetric } from '../http/feature-metrics.js';
import { type Aggregator, Counter, Gauge, Histogram, register } from 'prom-client';

export const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
// Less than a scrape may take, by far.
const DATABASE_ANSWERS_WITHIN_MS = 1000;

interface GaugeOptions {
  readonly labelNames?: string[];
  /** How one value is made of those of several workers. */
  readonly aggregator?: Aggregator;
  /** Sets the value when metrics are collected. */
  readonly collect?: (gauge: Gauge) => void | Promise<void>;
}

// All are in the register that prom-client keeps for the process, where each replaces that of an earlier application.
function named(name: string): string {
  const full = `latchkey_${name}`;
  register.removeSingleMetric(full);
  return full;
}

/**
 * A counter with one label. It is there from the start with each of these values: to Prometheus one that appears with its
 * first burst has not increased. No label of any metric has a value that a client chooses.
 */
export function counter(name: string, help: string, label: string, values: readonly string[] = []): Counter {
  const made = new Counter({ name: named(name), help, labelNames: [label] });
  for (const value of values) made.inc({ [label]: value }, 0);
  return made;
}

/** A counter that something else keeps, with one label or none. */
export function collectedCounter(name: string, help: string, metric: FeatureMetric): void {
  const { label, values } = metric;
  const made: Counter = new Counter({
    name: named(name),
    help,
    ...(label !== undefined && { labelNames: [label] }),
    collect: () => {
      made.reset();
      if (label === undefined) made.inc(metric.value);
      else for (const [of, count] of values) made.inc({ [label]: of }, count);
    },
  });
}

export const histogram = (name: string, help: string, options: { labelNames?: string[]; buckets: number[] }) =>
  new Histogram({ name: named(name), help, ...options });

export function gauge(name: string, help: string, { collect, ...options }: GaugeOptions): Gauge {
  const made: Gauge = new Gauge({
    name: named(name),
    help,
    ...options,
    ...(collect && { collect: () => collect(made) }),
  });
  return made;
}

/** A value that the database knows, the same for all workers. While it does not answer there is none. */
export function gaugeOfDatabase(name: string, help: string, ask: () => Promise<number>): void {
  const asked = shared(ask);
  gauge(name, help, {
    aggregator: 'max',
    collect: async (made) => {
      const value = await Promise.race([
        asked().catch(() => null),
        sleep(DATABASE_ANSWERS_WITHIN_MS, null, { ref: false }),
      ]);
      if (value === null) made.remove();
      else made.set(value);
    },
  });
}

/** The same question, but asked again while its answer is awaited it gets that one. */
export function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | null = null;
  return () => (asked ??= ask().finally(() => (asked = null)));
}
