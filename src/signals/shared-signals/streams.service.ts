import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { AppConfig } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { InvalidFieldError } from '../../http/validation.js';
import { SIGNING_ALGORITHM } from '../../keys/signing-key.js';
import { TooManyRequestsError } from '../../problems/problem.js';
import { InvalidClientError } from '../../service-clients/oauth-errors.js';
import { DeliverySender } from '../deliveries/delivery-sender.js';
import { ReceiverKeys } from '../receivers/receiver-keys.js';
import { whatIsWrong } from '../receivers/receiver-url.js';
import { rulesOf } from '../receivers/receivers.service.js';
import { CAEP_EVENTS, deliveredOf, signalEventsOf } from '../deliveries/security-event.js';
import { POLL, PUSH, STREAM_ALGORITHM, type Stream, type StreamStatus, VERIFICATION_SECONDS } from './stream.js';
import type { StreamRequestDto } from './streams.dto.js';
import {
  NoSharedSignalsError,
  StreamDisabledByStaffError,
  StreamExistsError,
  StreamNotFoundError,
} from './streams.errors.js';
import { type StreamChange, type StreamRow, StreamsRepository } from './streams.repository.js';
import { requireUnchanged } from './transmitter-supplied.js';

const STREAMS_MAX = 10;

/** What a receiver says of a stream. Null is nothing; what is undefined stays as it is. */
type StreamSettings = Pick<StreamRequestDto, 'delivery' | 'events_requested' | 'signing_alg'> & {
  readonly description?: string | null | undefined;
};

/** The streams of a service client: which events it is sent, and how (OpenID Shared Signals Framework 1.0). */
@Injectable()
export class Streams {
  constructor(
    private readonly database: Database,
    private readonly streams: StreamsRepository,
    private readonly sender: DeliverySender,
    private readonly keys: ReceiverKeys,
    private readonly config: AppConfig,
  ) {}

  /**
   * Throws `validation_failed` for a URL that nothing may be sent to, {@link StreamExistsError} for too many, and
   * {@link NoSharedSignalsError} where there are no keys. Throws {@link InvalidClientError} where the client ended meanwhile.
   */
  async create(clientId: string, request: StreamRequestDto): Promise<Stream> {
    if (this.config.jwtAlgorithm !== SIGNING_ALGORITHM) {
      throw new NoSharedSignalsError();
    }
    if (request.stream_id !== undefined) {
      throw new InvalidFieldError('stream_id', 'is not expected where a stream is created');
    }
    const id = randomUUID();
    const change = this.changeOf(id, completed(request), null);
    await this.publishKeyOf(change);
    await this.database.transaction(async (transaction) => {
      if (!(await this.streams.lockClient(transaction, clientId))) {
        throw new InvalidClientError();
      }
      if ((await this.streams.list(clientId, undefined, transaction)).length >= STREAMS_MAX) {
        throw new StreamExistsError();
      }
      await this.streams.insert(transaction, clientId, { id, ...change });
    });
    return this.require(clientId, id);
  }

  async list(clientId: string): Promise<Stream[]> {
    return (await this.streams.list(clientId)).map((row) => streamOf(row));
  }

  /** Throws {@link StreamNotFoundError}, for a stream of another client too. */
  async require(clientId: string, id: string): Promise<Stream> {
    const [row] = isUUID(id) ? await this.streams.list(clientId, id) : [];
    if (!row) {
      throw new StreamNotFoundError();
    }
    return streamOf(row);
  }

  /**
   * Changes what is given. Throws as {@link require} and {@link create}, and `validation_failed` where something is given that only
   * the transmitter says, and it is not so.
   */
  async change(clientId: string, request: StreamRequestDto, settings: StreamSettings = request): Promise<Stream> {
    const id = idIn(request);
    const before = await this.require(clientId, id);
    requireUnchanged(request, before, this.config);
    const change = this.changeOf(id, settings, before);
    await this.publishKeyOf(change);
    await this.streams.update(clientId, id, change);
    return this.require(clientId, id);
  }

  /** Changes what is given, and makes what is left out what it is by default. Throws as {@link change}. */
  replace(clientId: string, request: StreamRequestDto): Promise<Stream> {
    return this.change(clientId, request, completed(request));
  }

  /** Throws as {@link require}, and {@link StreamDisabledByStaffError}. */
  async setStatus(clientId: string, id: string, status: StreamStatus, reason: string | null): Promise<Stream> {
    const isSet = isUUID(id) && (await this.streams.setStatus(clientId, id, status, reason));
    const stream = await this.require(clientId, id);
    if (!isSet) {
      throw stream.disabledReason === 'client_ended' ? new InvalidClientError() : new StreamDisabledByStaffError();
    }
    this.sender.wake();
    return stream;
  }

  /** With all that waits. Throws as {@link require}. */
  async delete(clientId: string, id: string): Promise<void> {
    await this.require(clientId, id);
    await this.streams.delete(clientId, id);
  }

  /** Sends an event that shows that the stream works. Throws as {@link require}, and {@link TooManyRequestsError}. */
  async verify(clientId: string, id: string, state: string | null): Promise<void> {
    await this.require(clientId, id);
    if (!(await this.streams.addVerification(id, state))) {
      throw new TooManyRequestsError(VERIFICATION_SECONDS * 1000);
    }
    this.sender.wake();
  }

  private changeOf(
    id: string,
    { delivery, events_requested: requested, signing_alg: algorithm, description }: StreamSettings,
    before: Stream | null,
  ): StreamChange {
    return {
      ...(delivery && this.deliveryOf(id, delivery, before)),
      ...(requested && { requested, events: signalEventsOf(requested) }),
      ...(algorithm && { algorithm }),
      ...(description !== undefined && { description }),
    };
  }

  private async publishKeyOf({ algorithm }: StreamChange): Promise<void> {
    if (algorithm) await this.keys.publish(algorithm);
  }

  /** As a whole. But the header is in no answer, so one that is left out stays, as long as the URL does. */
  private deliveryOf(
    id: string,
    { method, endpoint_url: url, authorization_header: authorization }: NonNullable<StreamRequestDto['delivery']>,
    before: Stream | null,
  ): StreamChange {
    if (method === POLL) {
      return { method, url: '', encryptedAuthorization: null };
    }
    if (url === undefined) {
      throw new InvalidFieldError('delivery.endpoint_url', 'is required where events are pushed');
    }
    const wrong = whatIsWrong(url, rulesOf(this.config));
    if (wrong !== null) {
      throw new InvalidFieldError('delivery.endpoint_url', wrong);
    }
    const staysTheSame = authorization === undefined && before?.url === url;
    const encryptedAuthorization = authorization ? this.keys.encrypt(id, Buffer.from(authorization)) : null;
    return { method: PUSH, url, ...(!staysTheSame && { encryptedAuthorization }) };
  }
}

function idIn({ stream_id: id }: StreamRequestDto): string {
  if (id === undefined) {
    throw new InvalidFieldError('stream_id', 'is required');
  }
  return id;
}

/** Where it is not said, events are polled (SSF 1.0, 8.1.1.1), and they are all that there are. */
const completed = ({
  delivery,
  events_requested: requested,
  signing_alg: algorithm,
  description,
}: StreamRequestDto) => ({
  delivery: delivery ?? { method: POLL },
  events_requested: requested ?? Object.keys(CAEP_EVENTS),
  signing_alg: algorithm ?? STREAM_ALGORITHM,
  description: description ?? null,
});

const streamOf = ({ events: _, ...row }: StreamRow): Stream => ({ ...row, delivered: deliveredOf(row.requested) });
