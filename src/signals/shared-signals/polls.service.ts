import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { DeliveryMessages } from '../deliveries/delivery-messages.js';
import { PollWaits } from './poll-waits.js';
import { MOST_EVENTS, type PollAnswerDto, type PollDto } from './polls.dto.js';
import { POLL } from './stream.js';
import { StreamNotFoundError } from './streams.errors.js';
import { Streams } from './streams.service.js';
import { StreamsRepository } from './streams.repository.js';

const MOST_CHARACTERS = 200;
const WAITS_MS = 20_000;

/** Events that a receiver fetches (RFC 8936). */
@Injectable()
export class Polls {
  constructor(
    private readonly streams: Streams,
    private readonly repository: StreamsRepository,
    private readonly messages: DeliveryMessages,
    private readonly waits: PollWaits,
  ) {}

  /**
   * Notes what the receiver took of what it fetched before, and answers what waits. Throws {@link StreamNotFoundError}, for a stream
   * that is pushed too, and as the waits do.
   *
   * @param gone aborted when nobody waits for the answer any more
   */
  async poll(clientId: string, id: string, request: PollDto, gone: AbortSignal): Promise<PollAnswerDto> {
    const { maxEvents = MOST_EVENTS, returnImmediately = false } = request;
    await this.acknowledge(clientId, id, request);
    const most = Math.min(maxEvents, MOST_EVENTS);
    const until = performance.now() + (returnImmediately || most === 0 ? 0 : WAITS_MS);
    for (;;) {
      const answer = await this.read(id, most);
      const left = until - performance.now();
      if (Object.keys(answer.sets).length > 0 || left <= 0 || gone.aborted || this.waits.isOver) {
        return answer;
      }
      await this.waits.wait(id, left, gone);
    }
  }

  private async acknowledge(clientId: string, id: string, { ack = [], setErrs = {} }: PollDto): Promise<void> {
    const stream = await this.streams.require(clientId, id);
    if (stream.method !== POLL) {
      throw new StreamNotFoundError();
    }
    // Others name nothing of ours.
    const failed = Object.entries(setErrs)
      .filter(([jti]) => isUUID(jti))
      .map(([jti, { err, description = '' }]) => ({ id: jti, answer: textOf(`${err} ${description}`) }));
    const taken = ack.filter((jti) => isUUID(jti) && !Object.hasOwn(setErrs, jti));
    if (taken.length > 0 || failed.length > 0) {
      await this.repository.acknowledge(id, taken, failed);
    }
  }

  private async read(id: string, most: number): Promise<PollAnswerDto> {
    const waiting = await this.repository.listWaiting(id, most);
    const sets: Record<string, string> = {};
    for (const delivery of waiting.slice(0, most)) {
      sets[delivery.id] = await this.messages.signSecurityEvent(delivery);
    }
    return { sets, moreAvailable: waiting.length > most };
  }
}

/** As staff may be shown it: a stranger's words, in one line. */
const textOf = (text: string): string =>
  text
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, MOST_CHARACTERS);
