/** A metric that a feature brings itself. */
export interface FeatureMetric {
  /** As Prometheus shows it, but for the `latchkey_` in front. */
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  /** How one value is made of those of several workers. */
  readonly aggregator: 'sum' | 'min' | 'max';
  /** Of a metric without a label. */
  value: number;
  /** By whose values there is one number each; never one that a client chooses. */
  readonly label?: string;
  /** Of a metric with a label, by its values. */
  readonly values: Map<string, number>;
}

const declared: FeatureMetric[] = [];

/** Declares a metric of this whole process. It is 0 until its feature sets it, and read whenever metrics are collected. */
export function featureMetric(metric: Omit<FeatureMetric, 'value' | 'values'>): FeatureMetric {
  const feature = { ...metric, value: 0, values: new Map<string, number>() };
  declared.push(feature);
  return feature;
}

/** All that were declared: of the features that this process has. */
export const featureMetrics = (): readonly FeatureMetric[] => declared;
