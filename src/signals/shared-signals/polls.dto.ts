import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsBoolean, IsInt, IsString, Max, Min, ValidateBy } from 'class-validator';
import { IsOptionalField } from '../../http/validation.js';

export const MOST_EVENTS = 100;
const ID = '3f0c2b7e-94a1-4c0d-8f5e-2b9d6a7c1e40';
const MOST_NAMED = 1000;
// A jti and why: more of a description than is kept of it.
const NAMED_MAX_BYTES = 512;
const ACK_MESSAGE = { message: `must be a list of at most ${MOST_NAMED} values of jti` };
const ERRORS_MESSAGE = `must be an object with, for at most ${MOST_NAMED} values of jti, { "err", "description"? }, which are strings`;

export const POLL_LIMITS = {
  limitBytes: MOST_NAMED * NAMED_MAX_BYTES,
  // An acknowledged event is one member, an error three. More than are accepted are refused for their number, and not as no JSON.
  maxMembers: 10 * MOST_NAMED,
};

/** Why a receiver could not use an event (RFC 8936, 2.6). */
export interface SetError {
  readonly err: string;
  readonly description?: string;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSetError = (value: unknown): boolean =>
  isObject(value) &&
  typeof value['err'] === 'string' &&
  (value['description'] === undefined || typeof value['description'] === 'string');

const IsSetErrors = () =>
  ValidateBy({
    name: 'isSetErrors',
    validator: {
      validate: (value: unknown) =>
        isObject(value) &&
        Object.keys(value).length <= MOST_NAMED &&
        Object.values(value).every((error) => isSetError(error)),
      defaultMessage: () => ERRORS_MESSAGE,
    },
  });

@ApiSchema({ name: 'PollRequest' })
export class PollDto {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MOST_EVENTS,
    default: MOST_EVENTS,
    example: 20,
    description: 'How many events the answer has at most. 0 only acknowledges.',
  })
  @Max(1_000_000, { message: 'must be a whole number' })
  @Min(0, { message: 'must be a whole number' })
  @IsInt({ message: 'must be a whole number' })
  @IsOptionalField()
  readonly maxEvents?: number;

  @ApiPropertyOptional({
    default: false,
    example: true,
    description: 'Whether to answer at once, also without events. Otherwise the answer waits for one, for 20 seconds.',
  })
  @IsBoolean({ message: 'must be true or false' })
  @IsOptionalField()
  readonly returnImmediately?: boolean;

  @ApiPropertyOptional({
    type: [String],
    format: 'uuid',
    maxItems: MOST_NAMED,
    example: [ID],
    description: 'Events that were taken. Unknown ones are passed over.',
  })
  @IsString({ ...ACK_MESSAGE, each: true })
  @ArrayMaxSize(MOST_NAMED, ACK_MESSAGE)
  @IsArray(ACK_MESSAGE)
  @IsOptionalField()
  readonly ack?: string[];

  @ApiPropertyOptional({
    type: 'object',
    maxProperties: MOST_NAMED,
    additionalProperties: { type: 'object', additionalProperties: { type: 'string' } },
    example: { [ID]: { err: 'authentication_failed', description: 'The key is not known' } },
    description: 'Events that could not be used, and why. They are not sent again.',
  })
  @IsSetErrors()
  @Type(() => Object)
  @IsOptionalField()
  readonly setErrs?: Readonly<Record<string, SetError>>;
}

export class PollAnswerDto {
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { [ID]: 'eyJ0eXAiOiJzZWNldmVudCtqd3QiLCJhbGciOiJFUzI1NiJ9.eyJpc3MiOi…' },
    description: 'Security event tokens by their `jti`.',
  })
  readonly sets!: Readonly<Record<string, string>>;

  @ApiProperty({ example: false })
  readonly moreAvailable!: boolean;
}
