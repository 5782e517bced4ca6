import { ApiProperty, ApiSchema, PickType } from '@nestjs/swagger';
import { AuditEventDto } from '../audit/audit-event.dto.js';
import { orNull } from '../http/openapi/named-type.js';
import { REVOCATION_REASON, SessionDto, TOKEN_DELIVERY } from '../sessions/session.dto.js';
import type { Session } from '../sessions/session.entity.js';
import { UserDto } from '../users/user.dto.js';
import type { User } from '../users/user.entity.js';
import { LoginDto } from '../auth/credentials.dto.js';

@ApiSchema({ name: 'DeleteAccountRequest' })
export class DeleteAccountDto extends PickType(LoginDto, ['password'] as const) {}

@ApiSchema({ name: 'ExportedSession' })
export class KeptSessionDto extends SessionDto {
  @ApiProperty({ ...TOKEN_DELIVERY, example: 'cookie' })
  readonly tokenDelivery!: string;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-23T09:30:00.000Z',
    description: 'When the password was last given for it.',
  })
  readonly authenticatedAt!: string;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'Null where it was not revoked.',
  })
  readonly revokedAt!: string | null;

  @ApiProperty({ ...orNull(REVOCATION_REASON), example: null })
  readonly revokedReason!: string | null;

  static fromKept(session: Session, currentId: string): KeptSessionDto {
    return {
      ...SessionDto.from(session, currentId),
      tokenDelivery: session.delivery,
      authenticatedAt: session.authenticatedAt.toISOString(),
      revokedAt: session.revokedAt?.toISOString() ?? null,
      revokedReason: session.revokedReason,
    };
  }
}

@ApiSchema({ name: 'ExportedUser' })
export class ExportedUserDto extends UserDto {
  @ApiProperty({ type: 'string', nullable: true, example: 'en', description: 'The language of mails to you.' })
  readonly language!: string | null;

  static fromKept(user: User): ExportedUserDto {
    return { ...UserDto.from(user), language: user.language };
  }
}

@ApiSchema({ name: 'AccountExport' })
export class ExportDto {
  @ApiProperty({ format: 'date-time', example: '2026-11-23T10:02:00.000Z' })
  readonly exportedAt!: string;

  @ApiProperty({ type: ExportedUserDto })
  readonly user!: ExportedUserDto;

  @ApiProperty({ type: [KeptSessionDto], description: 'Ended ones too, for as long as they are kept.' })
  readonly sessions!: KeptSessionDto[];

  @ApiProperty({
    type: [AuditEventDto],
    description:
      'What the audit trail has about you. Of what staff did, `type` and `reason` say so (`user_disabled`, ' +
      '`sessions_revoked_by_staff`, `revoked_by_admin`), and of what other services did (`revoked_by_service`); who and where ' +
      'they are is left out.',
  })
  readonly events!: AuditEventDto[];
}
