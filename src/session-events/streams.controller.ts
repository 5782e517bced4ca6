import { Controller, Headers, type MessageEvent, Req, Sse, SseSignal } from '@nestjs/common';
import { ApiExtraModels, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { EMPTY, type Observable } from 'rxjs';
import { type Caller, CurrentCaller } from '../sessions/caller.js';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { StaysOpen } from '../http/stays-open.js';
import { TooManyRequestsError } from '../problems/problem.js';
import { EVENT_CLASSES, STREAM_EVENT } from './stream-event.dto.js';
import { SessionStreams } from './session-streams.js';

// What waits for a client that does not read, in characters: some hundreds of events.
const MAX_PENDING = 65_536;

@ApiTags('Live events')
@Controller('sessions')
export class StreamsController {
  constructor(private readonly streams: SessionStreams) {}

  @Sse('events', { maxPendingDataLength: MAX_PENDING })
  @StaysOpen()
  @ApiOperation({
    summary: 'What happens to your devices, as it happens',
    description:
      'Server-sent events: `session.created`, `session.refreshed`, `session.renamed` with `{ id, at }`, and ' +
      '`session.revoked` with `{ id, reason, at }`. The stream lives as long as its session, and ends after the ' +
      '`session.revoked` of that one; the access token may expire meanwhile. `: ping` comes every 15 seconds, ' +
      '`: degraded` instead while events may be late. After a gap send `Last-Event-ID`, or get `resync` where that ' +
      'was over an hour ago: then read the list again. Swagger UI shows them as they come, and so does `curl -N`.',
  })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The id of the last event of an earlier stream.' })
  @ApiExtraModels(...EVENT_CLASSES)
  @ApiOkResponse({
    content: {
      'text/event-stream': {
        schema: STREAM_EVENT,
        example:
          'event: session.revoked\n' +
          'id: 1795426200000.5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61\n' +
          'data: {"id":"0f8fad5b-d9cb-469f-a165-70867728950e","reason":"revoked_by_user","at":"2026-11-23T09:30:00.000Z"}\n\n',
      },
    },
  })
  @ApiProblems(TooManyRequestsError)
  streamSessionEvents(
    @CurrentCaller() caller: Caller,
    @Headers('last-event-id') lastEventId: string | undefined,
    @SseSignal() closed: AbortSignal,
    @Req() { method }: FastifyRequest,
  ): Observable<MessageEvent> {
    // To HEAD the head is all, and a connection that waited for the rest would be lost to its client.
    return method === 'HEAD' ? EMPTY : this.streams.open(caller, lastEventId, closed);
  }
}
