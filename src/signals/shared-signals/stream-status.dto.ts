import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsIn, IsString } from 'class-validator';
import { namedType } from '../../http/openapi/named-type.js';
import { AtMostCharacters, IsOptionalField, PlainText } from '../../http/validation.js';
import { reasonOf, type Stream, STREAM_STATUSES, type StreamStatus } from './stream.js';
import { MOST_CHARACTERS, STREAM_ID } from './streams.dto.js';

const STATUS = namedType(
  'StreamStatusValue',
  STREAM_STATUSES,
  'Paused, events are kept for later; disabled, they are not.',
);

export class StreamStatusDto {
  @ApiProperty(STREAM_ID)
  @IsString()
  readonly stream_id!: string;

  @ApiProperty({ ...STATUS, example: 'enabled' })
  @IsIn(STREAM_STATUSES, { message: `must be one of ${STREAM_STATUSES.join(', ')}` })
  readonly status!: StreamStatus;

  @ApiPropertyOptional({ maxLength: MOST_CHARACTERS, example: 'Maintenance' })
  @PlainText()
  @AtMostCharacters(MOST_CHARACTERS)
  @IsString()
  @IsOptionalField()
  readonly reason?: string;

  static from(stream: Stream): StreamStatusDto {
    const reason = reasonOf(stream);
    return { stream_id: stream.id, status: stream.status, ...(reason !== null && { reason }) };
  }
}

@ApiSchema({ name: 'StreamVerificationRequest' })
export class VerifyStreamDto {
  @ApiProperty(STREAM_ID)
  @IsString()
  readonly stream_id!: string;

  @ApiPropertyOptional({
    maxLength: MOST_CHARACTERS,
    example: 'VGhpcyBpcyBhbiBleGFtcGxl',
    description: 'Is in the event.',
  })
  @AtMostCharacters(MOST_CHARACTERS)
  @IsString()
  @IsOptionalField()
  readonly state?: string;
}
