import { isIP } from 'node:net';
import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsDefined,
  IsIn,
  IsObject,
  IsString,
  IsUUID,
  ValidateBy,
  ValidateNested,
} from 'class-validator';
import { AtMostCharacters, IsOptionalField, IsTime, PlainText } from '../http/validation.js';
import type { IncidentProgress } from '../sessions/incidents/incidents.js';
import { ROLES, type Role } from '../users/user.entity.js';

const REASON_MAX_LENGTH = 500;
// As many as fit into a body.
const MOST_USERS = 200;
const EXAMPLE_ID = '3f0c2b7e-94a1-4c0d-8f5e-2b9d6a7c1e40';
const USERS_MESSAGE = { message: `must be a list of 1 to ${MOST_USERS} ids of accounts, each once` };
const PREFIX = /^(?:0|[1-9]\d{0,2})$/;
const MOST_BITS: Readonly<Record<number, number>> = { 4: 32, 6: 128 };

/** An address, or one and how many of its first bits count. IPv4 is IPv4 here, never mapped into IPv6. */
function isNetwork(value: unknown): boolean {
  if (typeof value !== 'string') {
    return false;
  }
  const [address = '', prefix, ...rest] = value.split('/');
  const bits = MOST_BITS[isIP(address)];
  return (
    bits !== undefined &&
    !/[%]|^::ffff:\d+\./i.test(address) &&
    rest.length === 0 &&
    (prefix === undefined || (PREFIX.test(prefix) && Number(prefix) <= bits))
  );
}

const IsNetwork = () =>
  ValidateBy({
    name: 'isNetwork',
    validator: {
      validate: isNetwork,
      defaultMessage: () => 'must be an address or a network, such as 203.0.113.0/24 or 2001:db8::/32',
    },
  });

const time = (description: string, example = '2026-11-24T10:00:00Z') => ({ format: 'date-time', example, description });

export class IncidentFilterDto {
  @ApiPropertyOptional(time('Opened before this.'))
  @IsTime()
  @IsOptionalField()
  readonly createdBefore?: string;

  @ApiPropertyOptional(time('Opened at this time or later.', '2026-11-23T00:00:00Z'))
  @IsTime()
  @IsOptionalField()
  readonly createdAfter?: string;

  @ApiPropertyOptional(time('Whose user has not authenticated since.'))
  @IsTime()
  @IsOptionalField()
  readonly authenticatedBefore?: string;

  @ApiPropertyOptional({
    enum: ROLES,
    enumName: 'Role',
    example: 'admin',
    description: 'Of users with this role, and no other.',
  })
  @IsIn(ROLES, { message: `must be one of ${ROLES.join(', ')}` })
  @IsOptionalField()
  readonly role?: Role;

  @ApiPropertyOptional({
    example: '203.0.113.0/24',
    description: 'Of devices that signed in from this address, or from this network in CIDR notation.',
  })
  @IsNetwork()
  @IsOptionalField()
  readonly network?: string;

  @ApiPropertyOptional({
    type: [String],
    format: 'uuid',
    minItems: 1,
    maxItems: MOST_USERS,
    uniqueItems: true,
    example: ['5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61'],
    description: 'Of these users.',
  })
  @IsUUID(undefined, { ...USERS_MESSAGE, each: true })
  @ArrayUnique(USERS_MESSAGE)
  @ArrayMaxSize(MOST_USERS, USERS_MESSAGE)
  @ArrayNotEmpty(USERS_MESSAGE)
  @IsArray(USERS_MESSAGE)
  @IsOptionalField()
  readonly userIds?: string[];
}

@ApiSchema({ name: 'IncidentRequest' })
export class OpenIncidentDto {
  @ApiProperty({
    type: IncidentFilterDto,
    example: { createdBefore: '2026-11-24T10:00:00Z', role: 'admin' },
    description: 'Which sessions: those to which all of it applies. `{}` is every session of everybody.',
  })
  @ValidateNested()
  @IsObject({ message: 'must be an object' })
  @IsDefined()
  @Type(() => IncidentFilterDto)
  readonly where!: IncidentFilterDto;

  @ApiProperty({
    minLength: 1,
    maxLength: REASON_MAX_LENGTH,
    example: 'JWT_SECRET was in a public repository',
    description: 'Kept in the audit trail.',
  })
  @PlainText()
  @AtMostCharacters(REASON_MAX_LENGTH)
  @IsString()
  readonly reason!: string;

  @ApiPropertyOptional({ example: true, description: 'Only count: nothing ends, and the answer is 200.' })
  @IsBoolean({ message: 'must be true or false' })
  @IsOptionalField()
  readonly dryRun?: boolean;
}

export class IncidentPreviewDto {
  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 4711,
    description:
      'How many active sessions it would end now; null where they are too many to be counted in time, which keeps nobody from ' +
      'ending them.',
  })
  readonly matches!: number | null;
}

const ID = { format: 'uuid', example: EXAMPLE_ID };
const MATCHES = {
  type: 'integer',
  nullable: true,
  example: 4711,
  description: 'How many sessions it ends; null while they are too many to have been counted.',
} as const;

export class OpenedIncidentDto {
  @ApiProperty(ID)
  readonly id!: string;

  @ApiProperty(MATCHES)
  readonly matches!: number | null;
}

export class IncidentDto {
  @ApiProperty(ID)
  readonly id!: string;

  @ApiProperty({ type: IncidentFilterDto, example: { createdBefore: '2026-11-24T10:00:00.000Z', role: 'admin' } })
  readonly where!: IncidentProgress['filter'];

  @ApiProperty({ example: 'JWT_SECRET was in a public repository' })
  readonly reason!: string;

  @ApiProperty({
    type: 'string',
    format: 'uuid',
    nullable: true,
    example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
    description: 'The member of staff; null for `npm run sessions:revoke`.',
  })
  readonly openedBy!: string | null;

  @ApiProperty(MATCHES)
  readonly matches!: number | null;

  @ApiProperty({
    type: 'integer',
    example: 3000,
    description: 'How many of their rows are ended, each with its audit line.',
  })
  readonly ended!: number;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-24T10:05:00.000Z',
    description: 'No session that matches and was opened until then is trusted since.',
  })
  readonly startedAt!: string;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'When the last row was ended; null until then.',
  })
  readonly finishedAt!: string | null;

  static from({ filter, startedAt, finishedAt, ...incident }: IncidentProgress): IncidentDto {
    const { id, reason, openedBy, matches, ended } = incident;
    return {
      id,
      where: filter,
      reason,
      openedBy,
      matches,
      ended,
      startedAt: startedAt.toISOString(),
      finishedAt: finishedAt?.toISOString() ?? null,
    };
  }
}
