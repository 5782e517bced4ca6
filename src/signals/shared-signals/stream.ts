import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../keys/signing-key.js';
import { algorithmOf, type DisabledReason } from '../receivers/receiver.entity.js';

/** Delivery by push (RFC 8935) and by poll (RFC 8936). */
export const PUSH = 'urn:ietf:rfc:8935';
export const POLL = 'urn:ietf:rfc:8936';
/** Where a stream is polled. */
export const pollPathOf = (id: string): string => `/ssf/streams/${id}/poll`;

/** Where a stream is not asked to be signed otherwise. */
export const STREAM_ALGORITHM = algorithmOf('ssf_push');
/** Those that there are, with that one first. */
export const STREAM_ALGORITHMS = [...new Set([STREAM_ALGORITHM, ...SIGNING_ALGORITHMS])];

export const STREAM_STATUSES = ['enabled', 'paused', 'disabled'] as const;
export type StreamStatus = (typeof STREAM_STATUSES)[number];

/** How much time there has to be between two requests for a verification event, in seconds. */
export const VERIFICATION_SECONDS = 1;

/** A stream of security events to one service client. */
export interface Stream {
  readonly id: string;
  readonly clientId: string;
  readonly method: string;
  /** Where events are pushed to; empty where they are polled. */
  readonly url: string;
  /** URIs, as they were asked for. */
  readonly requested: readonly string[];
  /** Those of them that there are. */
  readonly delivered: readonly string[];
  /** Of the key that signs its events. */
  readonly algorithm: SigningAlgorithm;
  readonly description: string | null;
  readonly status: StreamStatus;
  /** Why its client set its status, in its words. */
  readonly statusReason: string | null;
  /** Set where it is not its client that disabled it. */
  readonly disabledReason: DisabledReason | null;
}

const WHY_DISABLED: Readonly<Record<DisabledReason, string>> = {
  staff: 'The operator of the transmitter disabled it.',
  gone: 'The receiver answered 410.',
  failing: 'The receiver took nothing for three days.',
  client_ended: 'The service client has ended.',
};

/** Why a stream has its status, as its client is told. Null where nothing is known. */
export const reasonOf = ({ disabledReason, statusReason }: Pick<Stream, 'disabledReason' | 'statusReason'>) =>
  disabledReason === null ? statusReason : WHY_DISABLED[disabledReason];
