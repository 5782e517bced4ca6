import { featureMetric } from '../../http/feature-metrics.js';

const OUTCOMES = ['delivered', 'failed', 'dead'] as const;

const attempts = featureMetric({
  name: 'delivery_attempts_total',
  help: 'Attempts to send a delivery to a receiver, by what became of it.',
  kind: 'counter',
  aggregator: 'sum',
  label: 'outcome',
});
for (const outcome of OUTCOMES) attempts.values.set(outcome, 0);

const oldest = featureMetric({
  name: 'receiver_oldest_delivery_seconds',
  help: 'How long the oldest delivery waits, by receiver; 0 where none does.',
  kind: 'gauge',
  aggregator: 'max',
  label: 'receiver',
});

const disabled = featureMetric({
  name: 'receivers_disabled',
  help: 'Receivers that were disabled since they took nothing, or said that they are gone.',
  kind: 'gauge',
  aggregator: 'max',
});

/** A delivery was tried. */
export function countAttempt(outcome: (typeof OUTCOMES)[number]): void {
  attempts.values.set(outcome, (attempts.values.get(outcome) ?? 0) + 1);
}

/** How long the oldest delivery of each receiver waits, in seconds, and how many receivers were disabled by what they did. */
export function noteBacklog(seconds: ReadonlyMap<string, number>, disabledCount: number): void {
  oldest.values.clear();
  for (const [receiver, age] of seconds) oldest.values.set(receiver, age);
  disabled.value = disabledCount;
}
