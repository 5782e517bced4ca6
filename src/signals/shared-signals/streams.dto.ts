import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsArray,
  IsIn,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import { namedType } from '../../http/openapi/named-type.js';
import { AtMostCharacters, IsOptionalField, PlainText } from '../../http/validation.js';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../keys/signing-key.js';
import { ALGORITHM } from '../receivers/receivers.dto.js';
import { CAEP_EVENTS } from '../deliveries/security-event.js';
import { POLL, pollPathOf, PUSH, STREAM_ALGORITHM, type Stream, VERIFICATION_SECONDS } from './stream.js';

const EVENTS = Object.keys(CAEP_EVENTS);
const [REVOKED] = EVENTS;
export const STREAM_ID = { format: 'uuid', example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' };
export const MOST_CHARACTERS = 200;
const MOST_EVENTS = 100;
const LIST_MESSAGE = {
  message: `must be a list of at most ${MOST_EVENTS} URIs, of at most ${MOST_CHARACTERS} characters each`,
};
// Unknown ones are kept and answered as they came.
const NO_INVISIBLE_CHARACTERS = /^[^\p{Cc}\p{Cf}\p{Cs}]*$/u;
const NOT_CHANGED = 'Not changed by this: left out, or as it is.';
const METHOD = namedType(
  'StreamDeliveryMethod',
  [PUSH, POLL],
  'How events come: pushed by Latchkey (RFC 8935), or polled by the receiver (RFC 8936).',
);

@ApiSchema({ name: 'StreamDelivery' })
export class StreamDeliveryDto {
  @ApiProperty({ ...METHOD, example: PUSH })
  @IsIn([PUSH, POLL], { message: `must be ${PUSH} or ${POLL}` })
  readonly method!: string;

  @ApiPropertyOptional({
    example: 'https://receiver.example.com/events',
    description:
      'Where events are pushed to, and required there. Of a stream that is polled, where that is: it is in the answer.',
  })
  @IsString()
  @IsOptionalField()
  readonly endpoint_url?: string;

  @ApiPropertyOptional({
    example: 'Bearer 8a1f…',
    description:
      'The header Authorization of pushes. It is in no answer, so one that is left out stays where `endpoint_url` does, and an ' +
      'empty one takes it away.',
  })
  // What a header may hold (RFC 9110, 5.5).
  @Matches(/^[\t -~]{0,1000}$/, { message: 'must be the value of a header, of at most 1000 characters' })
  @IsOptionalField()
  readonly authorization_header?: string;
}

@ApiSchema({ name: 'StreamRequest' })
export class StreamRequestDto {
  @ApiPropertyOptional({ ...STREAM_ID, description: 'Which stream; required, but where one is created.' })
  @IsString()
  @IsOptionalField()
  readonly stream_id?: string;

  @ApiPropertyOptional({
    type: StreamDeliveryDto,
    description: 'Replaced as a whole. Polled, where it is left out of a POST or PUT.',
  })
  @ValidateNested()
  @Type(() => StreamDeliveryDto)
  @IsObject({ message: 'must be an object' })
  @IsOptionalField()
  readonly delivery?: StreamDeliveryDto;

  @ApiPropertyOptional({
    type: [String],
    example: [REVOKED],
    description: 'Those that are not supported are left out. All, where it is left out of a POST or PUT.',
  })
  @Matches(NO_INVISIBLE_CHARACTERS, {
    message: 'must not contain control or text direction characters',
    each: true,
  })
  @MaxLength(MOST_CHARACTERS, { ...LIST_MESSAGE, each: true })
  @IsString({ ...LIST_MESSAGE, each: true })
  @ArrayMaxSize(MOST_EVENTS, LIST_MESSAGE)
  @ArrayNotEmpty(LIST_MESSAGE)
  @IsArray(LIST_MESSAGE)
  @IsOptionalField()
  readonly events_requested?: string[];

  @ApiPropertyOptional({ maxLength: MOST_CHARACTERS, example: 'Closes sessions at the partner' })
  @PlainText()
  @AtMostCharacters(MOST_CHARACTERS)
  @IsString()
  @IsOptionalField()
  readonly description?: string;

  @ApiPropertyOptional({
    ...ALGORITHM,
    default: STREAM_ALGORITHM,
    example: STREAM_ALGORITHM,
    description: 'The algorithm that events are signed with. The framework has no such member: it is of Latchkey.',
  })
  @IsIn(SIGNING_ALGORITHMS, { message: `must be ${SIGNING_ALGORITHMS.join(' or ')}` })
  @IsOptionalField()
  readonly signing_alg?: SigningAlgorithm;

  // What the transmitter says. A receiver may send back what it got, as it is.
  @ApiPropertyOptional({ type: 'string', example: 'https://auth.example.com', description: NOT_CHANGED })
  @IsOptional()
  readonly iss?: unknown;

  @ApiPropertyOptional({
    type: 'string',
    example: '9d2c7e1a-4b5f-4d3e-8c6a-7f1b2e3d4c5a',
    description: NOT_CHANGED,
  })
  @IsOptional()
  readonly aud?: unknown;

  @ApiPropertyOptional({ type: [String], example: EVENTS, description: NOT_CHANGED })
  @IsOptional()
  readonly events_supported?: unknown;

  @ApiPropertyOptional({ type: [String], example: [REVOKED], description: NOT_CHANGED })
  @IsOptional()
  readonly events_delivered?: unknown;

  @ApiPropertyOptional({ type: 'integer', example: VERIFICATION_SECONDS, description: NOT_CHANGED })
  @IsOptional()
  readonly min_verification_interval?: unknown;
}

export class StreamDto {
  @ApiProperty(STREAM_ID)
  readonly stream_id!: string;

  @ApiProperty({ example: 'https://auth.example.com' })
  readonly iss!: string;

  @ApiProperty({ example: '9d2c7e1a-4b5f-4d3e-8c6a-7f1b2e3d4c5a', description: 'The `client_id` of the receiver.' })
  readonly aud!: string;

  @ApiProperty({ type: [String], example: EVENTS })
  readonly events_supported!: readonly string[];

  @ApiProperty({ type: [String], example: [REVOKED] })
  readonly events_requested!: readonly string[];

  @ApiProperty({ type: [String], example: [REVOKED] })
  readonly events_delivered!: readonly string[];

  @ApiProperty({ type: StreamDeliveryDto })
  readonly delivery!: StreamDeliveryDto;

  @ApiProperty({ ...ALGORITHM, example: STREAM_ALGORITHM })
  readonly signing_alg!: SigningAlgorithm;
  @ApiProperty({ type: 'integer', example: VERIFICATION_SECONDS, description: 'Seconds between two verifications.' })
  readonly min_verification_interval!: number;

  @ApiPropertyOptional({ example: 'Closes sessions at the partner' })
  readonly description?: string;

  static from(stream: Stream, { issuer, pollBase }: { issuer: string; pollBase: string }): StreamDto {
    const { id, clientId, requested, delivered, method, url, algorithm, description } = stream;
    return {
      stream_id: id,
      iss: issuer,
      aud: clientId,
      events_supported: EVENTS,
      events_requested: requested,
      events_delivered: delivered,
      delivery: { method, endpoint_url: method === POLL ? pollBase + pollPathOf(id) : url },
      signing_alg: algorithm,
      min_verification_interval: VERIFICATION_SECONDS,
      ...(description !== null && { description }),
    };
  }
}

export class StreamIdQueryDto {
  @IsString()
  readonly stream_id!: string;
}

export class StreamsQueryDto {
  @IsString()
  @IsOptionalField()
  readonly stream_id?: string;
}
