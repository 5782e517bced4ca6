import { measurement } from '../../http/measurement.js';

export const ATTEMPT_OUTCOMES = ['delivered', 'failed', 'dead'] as const;

/** A delivery was tried. */
export const deliveryAttempted = measurement<{ readonly outcome: (typeof ATTEMPT_OUTCOMES)[number] }>(
  'delivery-attempted',
);
