import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../keys/signing-key.js';
import { algorithmOf } from '../receivers/receiver.entity.js';

/** Delivery by push (RFC 8935) and by poll (RFC 8936). */
export const PUSH = 'urn:ietf:rfc:8935';
export const POLL = 'urn:ietf:rfc:8936';

/** Where a stream is not asked to be signed otherwise. */
export const STREAM_ALGORITHM = algorithmOf('ssf_push');
/** Those that there are, with that one first. */
export const STREAM_ALGORITHMS = [...new Set([STREAM_ALGORITHM, ...SIGNING_ALGORITHMS])];

export const STREAM_STATUSES = ['enabled', 'paused', 'disabled'] as const;
export type StreamStatus = (typeof STREAM_STATUSES)[number];

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
  readonly statusReason: string | null;
}
