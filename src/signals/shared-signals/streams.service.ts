import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { AppConfig } from '../../config/config.js';
import { InvalidFieldError } from '../../http/validation.js';
import { KeyCipher } from '../../keys/key-cipher.js';
import { SIGNING_ALGORITHM } from '../../keys/signing-key.js';
import { DeliverySender } from '../deliveries/delivery-sender.js';
import { whatIsWrong } from '../receivers/receiver-url.js';
import { rulesOf } from '../receivers/receivers.service.js';
import { CAEP_EVENTS } from './security-event.js';
import { POLL, STREAM_ALGORITHM, type Stream, type StreamStatus } from './stream.js';
import type { StreamRequestDto } from './streams.dto.js';
import { StreamExistsError, StreamNotFoundError } from './streams.errors.js';
import { type StreamChange, type StreamRow, StreamsRepository } from './streams.repository.js';

const STREAMS_MAX = 10;

/** The streams of a service client: which events it is sent, and how (OpenID Shared Signals Framework 1.0). */
@Injectable()
export class Streams {
  private readonly cipher: KeyCipher;

  constructor(
    private readonly streams: StreamsRepository,
    private readonly sender: DeliverySender,
    private readonly config: AppConfig,
  ) {
    this.cipher = new KeyCipher(config.jwtSecrets, 'receivers');
  }

  /**
   * Throws `validation_failed` for a URL that nothing may be sent to, and where there are no keys to sign events with, and
   * {@link StreamExistsError} for too many.
   */
  async create(clientId: string, request: StreamRequestDto): Promise<Stream> {
    if (this.config.jwtAlgorithm !== SIGNING_ALGORITHM) {
      throw new InvalidFieldError(
        'delivery',
        'is not possible where JWT_ALGORITHM is HS256: events are signed with keys',
      );
    }
    if ((await this.streams.list(clientId)).length >= STREAMS_MAX) {
      throw new StreamExistsError();
    }
    const id = randomUUID();
    // Where it is not said, events are polled (SSF 1.0, 8.1.1.1).
    const isPolled = (request.delivery?.method ?? POLL) === POLL;
    if (!isPolled && request.delivery?.endpoint_url === undefined) {
      throw new InvalidFieldError('delivery.endpoint_url', 'is required where events are pushed');
    }
    const change = this.changeOf(id, request, isPolled);
    await this.streams.insert(clientId, isPolled, {
      id,
      url: change.url ?? '',
      requested: change.requested ?? Object.keys(CAEP_EVENTS),
      events: change.events ?? Object.values(CAEP_EVENTS).flat(),
      algorithm: change.algorithm ?? STREAM_ALGORITHM,
      description: change.description ?? null,
      encryptedAuthorization: change.encryptedAuthorization ?? null,
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

  /** Changes what is given. Throws as {@link require} and {@link create}. The method stays. */
  async change(clientId: string, id: string, request: StreamRequestDto): Promise<Stream> {
    const { method } = await this.require(clientId, id);
    if (request.delivery && request.delivery.method !== method) {
      throw new InvalidFieldError('delivery.method', 'cannot be changed: delete the stream and create another one');
    }
    await this.streams.update(clientId, id, this.changeOf(id, request, method === POLL));
    return this.require(clientId, id);
  }

  /** Changes what is given, and makes what is left out what it is by default. Throws as {@link change}. */
  replace(clientId: string, id: string, request: StreamRequestDto): Promise<Stream> {
    return this.change(clientId, id, {
      ...request,
      events_requested: request.events_requested ?? Object.keys(CAEP_EVENTS),
      signing_alg: request.signing_alg ?? STREAM_ALGORITHM,
    });
  }

  /** Throws as {@link require}. */
  async setStatus(clientId: string, id: string, status: StreamStatus, reason: string | null): Promise<Stream> {
    if (!(await this.streams.setStatus(clientId, id, status, reason))) {
      throw new StreamNotFoundError();
    }
    this.sender.wake();
    return this.require(clientId, id);
  }

  /** With all that waits. Throws as {@link require}. */
  async delete(clientId: string, id: string): Promise<void> {
    await this.require(clientId, id);
    await this.streams.delete(clientId, id);
  }

  /** Sends an event that shows that the stream works. Throws as {@link require}. */
  async verify(clientId: string, id: string, state: string | null): Promise<void> {
    await this.require(clientId, id);
    await this.streams.addVerification(id, state);
    this.sender.wake();
  }

  private changeOf(
    id: string,
    { delivery, events_requested, signing_alg: algorithm, description }: StreamRequestDto,
    isPolled: boolean,
  ): StreamChange {
    const { endpoint_url: url, authorization_header: authorization } = delivery ?? {};
    const wrong = url === undefined || isPolled ? null : whatIsWrong(url, rulesOf(this.config));
    if (wrong !== null) {
      throw new InvalidFieldError('delivery.endpoint_url', wrong);
    }
    return {
      ...(!isPolled && url !== undefined && { url }),
      ...(authorization !== undefined && {
        encryptedAuthorization: this.cipher.encrypt(id, Buffer.from(authorization)),
      }),
      ...(events_requested && { requested: events_requested, events: eventsOf(events_requested) }),
      ...(algorithm && { algorithm }),
      ...(description !== undefined && { description }),
    };
  }
}

const eventsOf = (uris: readonly string[]) =>
  uris.flatMap((uri) => (Object.hasOwn(CAEP_EVENTS, uri) ? (CAEP_EVENTS[uri] ?? []) : []));

const streamOf = ({ events: _, ...row }: StreamRow): Stream => ({
  ...row,
  delivered: row.requested.filter((uri) => Object.hasOwn(CAEP_EVENTS, uri)),
});
