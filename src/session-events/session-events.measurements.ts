import { featureMetric } from '../http/feature-metrics.js';

export const openStreams = featureMetric({
  name: 'event_streams',
  help: 'Event streams that are open.',
  kind: 'gauge',
  aggregator: 'sum',
});

/** 1 or 0. */
export const listening = featureMetric({
  name: 'listening',
  help: 'Whether this instance listens to the database, so that open streams end at once.',
  kind: 'gauge',
  aggregator: 'min',
});

export const listeningLost = featureMetric({
  name: 'listening_lost_total',
  help: 'How often the connection that listens to the database was lost.',
  kind: 'counter',
  aggregator: 'sum',
});
