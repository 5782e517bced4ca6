import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Patch, Post, Put, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { baseOf, issuerOf } from '../../config/issuer.js';
import { AppConfig } from '../../config/config.js';
import { ApiProblems } from '../../problems/api-problems.decorator.js';
import { CurrentClient, ForServiceClientOrToken } from '../../service-clients/service-client.guard.js';
import type { ServiceClient } from '../../service-clients/service-client.js';
import type { Stream } from './stream.js';
import { StreamStatusDto, VerifyStreamDto } from './stream-status.dto.js';
import { StreamDto, StreamIdQueryDto, StreamRequestDto, StreamsQueryDto } from './streams.dto.js';
import {
  NoSharedSignalsError,
  StreamDisabledByStaffError,
  StreamExistsError,
  StreamNotFoundError,
} from './streams.errors.js';
import { Streams } from './streams.service.js';

const ApiStreamId = (required = true) =>
  ApiQuery({
    name: 'stream_id',
    type: String,
    required,
    format: 'uuid',
    example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
    description: 'The stream.',
  });

/** What receivers of shared signals ask (OpenID Shared Signals Framework 1.0, section 8). */
@ApiTags('Shared signals')
@Controller('ssf')
export class StreamsController {
  constructor(
    private readonly streams: Streams,
    private readonly config: AppConfig,
  ) {}

  @Post('streams')
  @ForServiceClientOrToken('signals')
  @ApiOperation({
    summary: 'Create a stream of security events',
    description:
      'Pushed to `endpoint_url`, or to be polled, which is so where `delivery` is left out. It is enabled from the answer on.',
  })
  @ApiCreatedResponse({ type: StreamDto })
  @ApiProblems(StreamExistsError, NoSharedSignalsError)
  async createStream(@CurrentClient() { id }: ServiceClient, @Body() body: StreamRequestDto): Promise<StreamDto> {
    return this.shown(await this.streams.create(id, body));
  }

  @Get('streams')
  @ForServiceClientOrToken('signals')
  @ApiStreamId(false)
  @ApiOperation({
    summary: 'The streams of the client, or one of them',
    description: 'Those of other clients are not found.',
  })
  @ApiOkResponse({ description: 'A list, or with `stream_id` that stream.', type: [StreamDto] })
  @ApiProblems(StreamNotFoundError)
  async getStreams(
    @CurrentClient() { id }: ServiceClient,
    @Query() { stream_id: streamId }: StreamsQueryDto,
  ): Promise<StreamDto | StreamDto[]> {
    return streamId === undefined
      ? (await this.streams.list(id)).map((stream) => this.shown(stream))
      : this.shown(await this.streams.require(id, streamId));
  }

  @Patch('streams')
  @ForServiceClientOrToken('signals')
  @ApiOperation({
    summary: 'Change what is given of a stream',
    description: 'What is left out stays. What is given as the transmitter says it has to be as it is.',
  })
  @ApiOkResponse({ type: StreamDto })
  @ApiProblems(StreamNotFoundError)
  async changeStream(@CurrentClient() { id }: ServiceClient, @Body() body: StreamRequestDto): Promise<StreamDto> {
    return this.shown(await this.streams.change(id, body));
  }

  @Put('streams')
  @ForServiceClientOrToken('signals')
  @ApiOperation({ summary: 'Replace what a stream is', description: 'What is left out becomes what it is by default.' })
  @ApiOkResponse({ type: StreamDto })
  @ApiProblems(StreamNotFoundError)
  async replaceStream(@CurrentClient() { id }: ServiceClient, @Body() body: StreamRequestDto): Promise<StreamDto> {
    return this.shown(await this.streams.replace(id, body));
  }

  @Delete('streams')
  @ForServiceClientOrToken('signals')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiStreamId()
  @ApiOperation({ summary: 'Delete a stream', description: 'With all that waits.' })
  @ApiNoContentResponse({ description: 'Deleted.' })
  @ApiProblems(StreamNotFoundError)
  deleteStream(
    @CurrentClient() { id }: ServiceClient,
    @Query() { stream_id: streamId }: StreamIdQueryDto,
  ): Promise<void> {
    return this.streams.delete(id, streamId);
  }

  @Get('status')
  @ForServiceClientOrToken('signals')
  @ApiStreamId()
  @ApiOperation({
    summary: 'Whether a stream is enabled',
    description:
      'Also disabled where nothing that is pushed was taken for three days, or by the operator of this service; `reason` says so.',
  })
  @ApiOkResponse({ type: StreamStatusDto })
  @ApiProblems(StreamNotFoundError)
  async getStreamStatus(
    @CurrentClient() { id }: ServiceClient,
    @Query() { stream_id: streamId }: StreamIdQueryDto,
  ): Promise<StreamStatusDto> {
    return StreamStatusDto.from(await this.streams.require(id, streamId));
  }

  @Post('status')
  @ForServiceClientOrToken('signals')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Enable, pause or disable a stream',
    description:
      'What happens while it is paused is kept for three days, and sent once it is enabled. While it is disabled nothing is.',
  })
  @ApiOkResponse({ type: StreamStatusDto })
  @ApiProblems(StreamNotFoundError, StreamDisabledByStaffError)
  async setStreamStatus(
    @CurrentClient() { id }: ServiceClient,
    @Body() { stream_id: streamId, status, reason }: StreamStatusDto,
  ): Promise<StreamStatusDto> {
    return StreamStatusDto.from(await this.streams.setStatus(id, streamId, status, reason ?? null));
  }

  @Post('verify')
  @ForServiceClientOrToken('signals')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Ask for an event that shows that a stream works',
    description:
      'It has the `state` of the request, and comes as all events of the stream do: later where that is paused, and never where it ' +
      'is disabled. Too soon after the one before it is 429.',
  })
  @ApiNoContentResponse({ description: 'The event is on its way.' })
  @ApiProblems(StreamNotFoundError)
  verifyStream(
    @CurrentClient() { id }: ServiceClient,
    @Body() { stream_id: streamId, state }: VerifyStreamDto,
  ): Promise<void> {
    return this.streams.verify(id, streamId, state ?? null);
  }

  private shown(stream: Stream): StreamDto {
    return StreamDto.from(stream, { issuer: issuerOf(this.config), pollBase: baseOf(this.config.publicUrl) });
  }
}
