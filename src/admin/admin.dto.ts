import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsString, IsUUID } from 'class-validator';
import { AUDIT_EVENT_TYPE, AuditEventDto } from '../audit/audit-event.dto.js';
import { AtMostCharacters, IsOptionalField, IsTime, PlainText } from '../http/validation.js';
import { PageOf, PageQueryDto } from '../http/pagination.js';
import { UserDto } from '../users/user.dto.js';
import type { User } from '../users/user.entity.js';

const REASON_MAX_LENGTH = 500;
const EMAIL_MAX_LENGTH = 254;
const TYPE_MAX_LENGTH = 64;

@ApiSchema({ name: 'StaffActionRequest' })
export class StaffActionDto {
  @ApiPropertyOptional({
    minLength: 1,
    maxLength: REASON_MAX_LENGTH,
    example: 'Reported as stolen, ticket 4711',
    description: 'Kept in the audit trail.',
  })
  @PlainText()
  @AtMostCharacters(REASON_MAX_LENGTH)
  @IsString()
  @IsOptionalField()
  readonly reason?: string;
}

export class UsersQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ maxLength: EMAIL_MAX_LENGTH, example: 'ada@', description: 'How the address begins.' })
  @AtMostCharacters(EMAIL_MAX_LENGTH)
  @IsString()
  @Transform(({ value }) => (typeof value === 'string' ? value.toLowerCase() : value))
  @IsOptionalField()
  readonly email?: string;
}

export class AuditQueryDto extends PageQueryDto {
  @ApiPropertyOptional({
    format: 'uuid',
    example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61',
    description: 'The account that it is about.',
  })
  @IsUUID()
  @IsOptionalField()
  readonly userId?: string;

  @ApiPropertyOptional({ ...AUDIT_EVENT_TYPE, example: 'session_revoked', description: 'What happened.' })
  @AtMostCharacters(TYPE_MAX_LENGTH)
  @IsString()
  @IsOptionalField()
  readonly type?: string;

  @ApiPropertyOptional({ format: 'date-time', example: '2026-11-01T00:00:00Z', description: 'Not before this.' })
  @IsTime()
  @IsOptionalField()
  readonly from?: string;

  @ApiPropertyOptional({ format: 'date-time', example: '2026-12-01T00:00:00Z', description: 'Before this.' })
  @IsTime()
  @IsOptionalField()
  readonly to?: string;
}

export class StaffUserDto extends UserDto {
  @ApiProperty({ type: 'string', format: 'date-time', nullable: true, example: null })
  readonly disabledAt!: string | null;

  static override from(user: User): StaffUserDto {
    return { ...UserDto.from(user), disabledAt: user.disabledAt?.toISOString() ?? null };
  }
}

export class UsersPageDto extends PageOf(StaffUserDto) {}

export class AuditPageDto extends PageOf(AuditEventDto) {}
