import { setTimeout as sleep } from 'node:timers/promises';
import { Body, Controller, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../../problems/api-problems.decorator.js';
import { CurrentClient, ForServiceClientOrToken } from '../../service-clients/service-client.guard.js';
import type { ServiceClient } from '../../service-clients/service-client.js';
import { MOST_EVENTS, PollAnswerDto, PollDto } from './polls.dto.js';
import { Polls } from './polls.service.js';
import { StreamNotFoundError } from './streams.errors.js';

const WAITS_MS = 20_000;
const LOOKS_EVERY_MS = 500;

/** Where a receiver fetches its events (RFC 8936). */
@ApiTags('Shared signals')
@Controller('ssf/streams/:id')
export class PollsController {
  constructor(private readonly polls: Polls) {}

  @Post('poll')
  @ForServiceClientOrToken('signals')
  @HttpCode(HttpStatus.OK)
  @ApiParam({ name: 'id', format: 'uuid', example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61', description: 'The stream.' })
  @ApiOperation({
    summary: 'Fetch security events, and acknowledge those before',
    description: 'What is not acknowledged is in the next answer again.',
  })
  @ApiOkResponse({ type: PollAnswerDto })
  @ApiProblems(StreamNotFoundError)
  async poll(
    @CurrentClient() { id: clientId }: ServiceClient,
    @Param('id') id: string,
    @Body() { maxEvents = MOST_EVENTS, returnImmediately = false, ack = [], setErrs = {} }: PollDto,
  ): Promise<PollAnswerDto> {
    await this.polls.acknowledge(clientId, id, ack, setErrs);
    const most = Math.min(maxEvents, MOST_EVENTS);
    const until = performance.now() + (returnImmediately || most === 0 ? 0 : WAITS_MS);
    for (;;) {
      const answer = await this.polls.read(id, most);
      if (Object.keys(answer.sets).length > 0 || performance.now() >= until) {
        return answer;
      }
      await sleep(LOOKS_EVERY_MS);
    }
  }
}
