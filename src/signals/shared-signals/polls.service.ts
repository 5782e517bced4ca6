import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { DeliveryMessages } from '../deliveries/delivery-messages.js';
import type { PollAnswerDto } from './polls.dto.js';
import { POLL } from './stream.js';
import { StreamNotFoundError } from './streams.errors.js';
import { Streams } from './streams.service.js';
import { StreamsRepository } from './streams.repository.js';

const MOST_CHARACTERS = 200;

/** Events that a receiver fetches. */
@Injectable()
export class Polls {
  constructor(
    private readonly streams: Streams,
    private readonly repository: StreamsRepository,
    private readonly messages: DeliveryMessages,
  ) {}

  /** Notes what a receiver took of what it fetched before. Throws {@link StreamNotFoundError}, for one that is pushed too. */
  async acknowledge(
    clientId: string,
    id: string,
    taken: readonly string[],
    errors: Readonly<Record<string, { err?: unknown; description?: unknown }>>,
  ): Promise<void> {
    const stream = await this.streams.require(clientId, id);
    if (stream.method !== POLL) {
      throw new StreamNotFoundError();
    }
    const failed = Object.entries(errors)
      .filter(([jti]) => isUUID(jti))
      .map(([jti, { err = '', description = '' }]) => ({
        id: jti,
        answer: `${String(err)} ${String(description)}`.trim().slice(0, MOST_CHARACTERS),
      }));
    if (taken.length > 0 || failed.length > 0) {
      await this.repository.acknowledge(id, taken, failed);
    }
  }

  /** What waits, at most so many. */
  async read(id: string, most: number): Promise<PollAnswerDto> {
    const waiting = await this.repository.listWaiting(id, most);
    const sets: Record<string, string> = {};
    for (const delivery of waiting.slice(0, most)) {
      sets[delivery.id] = await this.messages.signSecurityEvent(delivery);
    }
    return { sets, moreAvailable: waiting.length > most };
  }
}
