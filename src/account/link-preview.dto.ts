import { ApiProperty, PickType } from '@nestjs/swagger';
import { namedType } from '../http/openapi/named-type.js';
import { TOKEN_PURPOSES } from '../mail/mailed-token.entity.js';
import type { FoundToken } from '../mail/mailed-tokens.js';
import { addressFor, browserFor } from '../mail/strangers-words.js';
import { describeDevice, labelOf, mailedDeviceOf } from '../sessions/device-label.js';
import { DeviceDto, SessionDto } from '../sessions/session.dto.js';
import type { Session } from '../sessions/session.entity.js';

const LINK_PURPOSE = namedType('LinkPurpose', TOKEN_PURPOSES, 'What the link of a mail does.');

/** What a mailed link is about. */
export interface LinkPreview {
  readonly link: FoundToken;
  /** The session that a "this was not me" link is about; null for every other link, or where it is no longer kept. */
  readonly session: Session | null;
}

// Without the name that a thief may have given to it, and with the words that its mail has.
export class PreviewedDeviceDto extends PickType(DeviceDto, ['label', 'browser', 'os', 'type'] as const) {}

export class PreviewedSessionDto extends PickType(SessionDto, ['ip', 'createdAt'] as const) {
  @ApiProperty({ type: PreviewedDeviceDto })
  readonly device!: PreviewedDeviceDto;

  static from({ userAgent, ip, createdAt }: Session, isConfirmed: boolean): PreviewedSessionDto {
    const { os, type } = describeDevice(userAgent);
    const browser = browserFor(mailedDeviceOf(userAgent), isConfirmed);
    return { device: { label: labelOf(browser, os), browser, os, type }, ip, createdAt: createdAt.toISOString() };
  }
}

export class LinkPreviewDto {
  @ApiProperty({ ...LINK_PURPOSE, example: 'disown' })
  readonly purpose!: string;

  @ApiProperty({
    example: 'ada@example.com',
    description:
      'The address that it was mailed to. Where `emailVerified` is false only enough to know it by: `a…@example.com`.',
  })
  readonly email!: string;

  @ApiProperty({
    example: true,
    description:
      'Whether the account has this address, and its reader has confirmed it. Until then the preview shows no words that ' +
      'a stranger may have chosen: neither the whole address nor what a program that signed in calls itself.',
  })
  readonly emailVerified!: boolean;

  @ApiProperty({ format: 'date-time', example: '2026-11-23T10:00:00.000Z' })
  readonly expiresAt!: string;

  @ApiProperty({
    type: PreviewedSessionDto,
    nullable: true,
    example: {
      device: { label: 'Firefox on Windows', browser: 'Firefox', os: 'Windows', type: 'desktop' },
      ip: '203.0.113.7',
      createdAt: '2026-11-23T09:30:00.000Z',
    },
    description: 'The sign-in that a "this was not me" link is about; null for every other link.',
  })
  readonly session!: PreviewedSessionDto | null;

  static from({ link: { purpose, email, expiresAt, isConfirmed }, session }: LinkPreview): LinkPreviewDto {
    return {
      purpose,
      email: addressFor(email, isConfirmed),
      emailVerified: isConfirmed,
      expiresAt: expiresAt.toISOString(),
      session: session && PreviewedSessionDto.from(session, isConfirmed),
    };
  }
}
