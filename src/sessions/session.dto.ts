import { ApiProperty } from '@nestjs/swagger';
import { namedType } from '../http/openapi/named-type.js';
import type { Timed } from '../database/time.js';
import { PageOf } from '../http/pagination.js';
import { DEVICE_TYPES, describeDevice } from './device-label.js';
import { type OpenSession, REVOCATION_REASONS, type Session, TOKEN_DELIVERIES } from './session.entity.js';

const DEVICE_TYPE = namedType('DeviceType', DEVICE_TYPES, 'What kind of device a user agent says it is.');

export const TOKEN_DELIVERY = namedType(
  'TokenDelivery',
  TOKEN_DELIVERIES,
  'How the refresh token travels: `cookie` is an HttpOnly cookie, for browsers; `body` is JSON, for mobile and CLI.',
);

export const REVOCATION_REASON = namedType('RevocationReason', REVOCATION_REASONS, 'Why a session was revoked.');

export const END_REASON = namedType(
  'EndReason',
  [...REVOCATION_REASONS, 'expired'],
  'Why a session ended: the reason of its revocation, or `expired`.',
);

export class DeviceDto {
  @ApiProperty({ example: 'Firefox on Windows', description: 'What a person reads.' })
  readonly label!: string;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'Work laptop',
    description: "The user's own name for it; null where there is none.",
  })
  readonly name!: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'Firefox',
    description: 'Null where the user agent names none that is known.',
  })
  readonly browser!: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'Windows',
    description: 'Null where the user agent names none that is known.',
  })
  readonly os!: string | null;

  @ApiProperty({ ...DEVICE_TYPE, example: 'desktop' })
  readonly type!: string;
}

export class SessionDto {
  @ApiProperty({ format: 'uuid', example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' })
  readonly id!: string;

  @ApiProperty({ example: true, description: 'Whether this is the session the request was made with.' })
  readonly current!: boolean;

  @ApiProperty({ type: DeviceDto })
  readonly device!: DeviceDto;

  @ApiProperty({ example: '203.0.113.7', description: 'The address the device signed in from.' })
  readonly ip!: string;

  @ApiProperty({
    example: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0',
    description: 'The user agent the device signed in with, at most 512 characters.',
  })
  readonly userAgent!: string;

  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z', description: 'When the device signed in.' })
  readonly createdAt!: string;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-23T10:02:00.000Z',
    description: 'When it was last used, to the minute unless LAST_SEEN_SECONDS says otherwise.',
  })
  readonly lastSeenAt!: string;

  @ApiProperty({
    format: 'date-time',
    example: '2026-12-23T09:30:00.000Z',
    description: 'The absolute end; never moves.',
  })
  readonly expiresAt!: string;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-30T09:30:00.000Z',
    description: 'Ends here unless refreshed before.',
  })
  readonly idleExpiresAt!: string;

  static from(session: Timed<OpenSession>, currentId: string): SessionDto {
    const { label, browser, os, type } = describeDevice(session.userAgent);
    return {
      id: session.id,
      current: session.id === currentId,
      device: { label, name: session.deviceName, browser, os, type },
      ip: session.ip,
      userAgent: session.userAgent,
      createdAt: session.createdAt.toISOString(),
      lastSeenAt: session.lastSeenAt.toISOString(),
      expiresAt: session.expiresAt.toISOString(),
      idleExpiresAt: session.idleExpiresAt.toISOString(),
    };
  }
}

const BY_STAFF: ReadonlySet<string> = new Set(['revoked_by_admin', 'user_disabled', 'incident']);
const BY_SYSTEM: ReadonlySet<string> = new Set([
  'refresh_token_reuse',
  'session_limit',
  'revoked_by_service',
  'backup_restored',
  'expired',
]);
const ENDERS = ['self', 'staff', 'system'] as const;

/** Who ended a session, by the reason of its end. */
export const endedBy = (reason: string): (typeof ENDERS)[number] =>
  BY_STAFF.has(reason) ? 'staff' : BY_SYSTEM.has(reason) ? 'system' : 'self';

const ENDED_BY = namedType(
  'EndedBy',
  ENDERS,
  'Who ended a session: its user, staff, or the system, by its own rules or for another service.',
);

export class EndedSessionDto extends SessionDto {
  @ApiProperty({
    format: 'date-time',
    example: '2026-11-24T18:11:00.000Z',
    description: 'When it was revoked or expired.',
  })
  readonly endedAt!: string;

  @ApiProperty({ ...END_REASON, example: 'revoked_by_user' })
  readonly reason!: string;

  @ApiProperty({ ...ENDED_BY, example: 'self' })
  readonly endedBy!: (typeof ENDERS)[number];

  static fromEnded({ session, endedAt }: { session: Session; endedAt: Date }): EndedSessionDto {
    const reason = session.revokedReason ?? 'expired';
    return {
      // None of them is the current one: that is open.
      ...SessionDto.from(session, ''),
      endedAt: endedAt.toISOString(),
      reason,
      endedBy: endedBy(reason),
    };
  }
}

export class EndedSessionsPageDto extends PageOf(EndedSessionDto) {}

export class SessionsPageDto extends PageOf(SessionDto) {}
