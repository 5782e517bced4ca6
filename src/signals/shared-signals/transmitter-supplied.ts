import type { AppConfig } from '../../config/config.js';
import { issuerOf } from '../../config/issuer.js';
import { InvalidFieldError } from '../../http/validation.js';
import { CAEP_EVENTS } from '../deliveries/security-event.js';
import { POLL, pollPathOf, type Stream, VERIFICATION_SECONDS } from './stream.js';
import type { StreamRequestDto } from './streams.dto.js';

const OTHER = 'is not what it is: only the transmitter says it. Leave it out';

/**
 * A receiver may send back all that it got, but only as it is: what the transmitter says of a stream is not changed by it (SSF 1.0,
 * 8.1.1.3). Throws `validation_failed`.
 */
export function requireUnchanged(
  request: StreamRequestDto,
  { id, clientId, delivered }: Stream,
  config: Pick<AppConfig, 'jwtIssuer' | 'publicUrl'>,
): void {
  const expected: readonly (readonly [string, said: unknown, is: string | number | readonly string[]])[] = [
    ['iss', request.iss, issuerOf(config)],
    ['aud', request.aud, clientId],
    ['events_supported', request.events_supported, Object.keys(CAEP_EVENTS)],
    ['events_delivered', request.events_delivered, delivered],
    ['min_verification_interval', request.min_verification_interval, VERIFICATION_SECONDS],
  ];
  for (const [name, said, is] of expected) {
    if (said !== undefined && textOf(said) !== textOf(is)) {
      throw new InvalidFieldError(name, OTHER);
    }
  }
  const { method, endpoint_url: url } = request.delivery ?? {};
  if (method === POLL && url !== undefined && !url.endsWith(pollPathOf(id))) {
    throw new InvalidFieldError('delivery.endpoint_url', OTHER);
  }
}

// In any order, and an audience alone may be in a list.
const textOf = (value: unknown): string =>
  [value]
    .flat()
    .map((one) => JSON.stringify(one))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join();
