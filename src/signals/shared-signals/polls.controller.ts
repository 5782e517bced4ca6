import { Controller, HttpCode, HttpStatus, Param, Post, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { LargeJsonBody, TakesLargeJson } from '../../http/large-json.js';
import { StaysOpen } from '../../http/stays-open.js';
import { ApiProblems } from '../../problems/api-problems.decorator.js';
import { CurrentClient, ForServiceClientOrToken } from '../../service-clients/service-client.guard.js';
import type { ServiceClient } from '../../service-clients/service-client.js';
import { POLL_LIMITS, PollAnswerDto, PollDto } from './polls.dto.js';
import { Polls } from './polls.service.js';
import { StreamNotFoundError } from './streams.errors.js';

/** Where a receiver fetches its events (RFC 8936). */
@ApiTags('Shared signals')
@Controller('ssf/streams/:id')
export class PollsController {
  constructor(private readonly polls: Polls) {}

  @Post('poll')
  @StaysOpen()
  @ForServiceClientOrToken('signals')
  @TakesLargeJson(PollDto, POLL_LIMITS)
  @HttpCode(HttpStatus.OK)
  @ApiParam({ name: 'id', format: 'uuid', example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61', description: 'The stream.' })
  @ApiOperation({
    summary: 'Fetch security events, and acknowledge those before',
    description:
      'What is not acknowledged is in the next answer again. Where nothing waits, the answer does, for 20 seconds, unless ' +
      '`returnImmediately` says otherwise. Ten polls of a stream may wait.',
  })
  @ApiOkResponse({ type: PollAnswerDto })
  @ApiProblems(StreamNotFoundError)
  poll(
    @CurrentClient() { id: clientId }: ServiceClient,
    @Param('id') id: string,
    @LargeJsonBody(PollDto) request: PollDto,
    @Res({ passthrough: true }) { raw }: FastifyReply,
  ): Promise<PollAnswerDto> {
    const gone = new AbortController();
    raw.once('close', () => gone.abort());
    return this.polls.poll(clientId, id, request, gone.signal);
  }
}
