import type { Type } from '@nestjs/common';
import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { namedUnion } from '../http/openapi/named-type.js';
import { END_REASON } from '../sessions/session.dto.js';

const EXAMPLE_ID = '1795426200000.5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61';

// What a client of the stream reads, as the OpenAPI document describes it.

@ApiSchema({ name: 'SessionChange' })
class SessionChangeDto {
  @ApiProperty({ format: 'uuid', example: '0f8fad5b-d9cb-469f-a165-70867728950e', description: 'The session.' })
  readonly id!: string;

  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z', description: 'When it happened.' })
  readonly at!: string;
}

@ApiSchema({ name: 'SessionRevocation' })
class SessionRevocationDto extends SessionChangeDto {
  @ApiProperty({ ...END_REASON, example: 'revoked_by_user' })
  readonly reason!: string;
}

@ApiSchema({ name: 'NoData' })
class NoDataDto {}

interface StreamEvent<Data> {
  readonly event: string;
  readonly id: string;
  readonly data: Data;
}

/** The class of an event whose data is of another class, to be extended. */
function EventOf<Data>(event: string, DataDto: Type<Data>): Type<StreamEvent<Data>> {
  class Event implements StreamEvent<Data> {
    @ApiProperty({ enum: [event], example: event, description: 'The type, in the line `event:`.' })
    readonly event!: string;

    @ApiProperty({ example: EXAMPLE_ID, description: 'What `Last-Event-ID` resumes after, in the line `id:`.' })
    readonly id!: string;

    @ApiProperty({ type: DataDto, description: 'JSON, in the line `data:`.' })
    readonly data!: Data;
  }
  return Event;
}

class SessionCreatedEventDto extends EventOf('session.created', SessionChangeDto) {}
class SessionRefreshedEventDto extends EventOf('session.refreshed', SessionChangeDto) {}
class SessionRenamedEventDto extends EventOf('session.renamed', SessionChangeDto) {}
class SessionRevokedEventDto extends EventOf('session.revoked', SessionRevocationDto) {}
class ResyncEventDto extends EventOf('resync', NoDataDto) {}

const EVENTS = {
  'session.created': SessionCreatedEventDto,
  'session.refreshed': SessionRefreshedEventDto,
  'session.renamed': SessionRenamedEventDto,
  'session.revoked': SessionRevokedEventDto,
  resync: ResyncEventDto,
};

export const EVENT_CLASSES = Object.values(EVENTS);

export const STREAM_EVENT = namedUnion(
  'SessionStreamEvent',
  { discriminator: 'event', classes: EVENTS },
  'One event of the stream, its lines as the fields of an object. `resync` says that events were missed: read the list again.',
);
