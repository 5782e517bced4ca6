import { ApiProperty } from '@nestjs/swagger';
import { namedType } from '../http/openapi/named-type.js';
import { AUDIT_EVENT_TYPES, AUDIT_OUTCOMES, type AuditEvent } from './audit-event.entity.js';

export const AUDIT_EVENT_TYPE = namedType('AuditEventType', AUDIT_EVENT_TYPES, 'What happened, in the audit trail.');
const AUDIT_OUTCOME = namedType('AuditOutcome', AUDIT_OUTCOMES, 'Whether what was tried was done or refused.');

export class AuditEventDto {
  @ApiProperty({ format: 'uuid', example: '7c6c7f0e-41bb-4c0f-8f4c-0f0c9d0f6b53' })
  readonly id!: string;

  @ApiProperty({ format: 'date-time', example: '2026-11-23T09:30:00.000Z' })
  readonly at!: string;

  @ApiProperty({ ...AUDIT_EVENT_TYPE, example: 'session_revoked' })
  readonly type!: string;

  @ApiProperty({ ...AUDIT_OUTCOME, example: 'success' })
  readonly outcome!: string;

  @ApiProperty({ type: 'string', nullable: true, example: null, description: 'Whose account it is about.' })
  readonly userId!: string | null;

  @ApiProperty({ type: 'string', nullable: true, example: null, description: 'Which session it is about.' })
  readonly sessionId!: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: null,
    description: 'Who did it: a user or a service client; null for Latchkey itself.',
  })
  readonly actorId!: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'logout',
    description: 'Why: of `session_revoked`, the reason of the revocation.',
  })
  readonly reason!: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: null,
    description:
      'What staff gave as the reason; of a signing key, its id; of a service client, its id and name; of an incident, its id, why, and which.',
  })
  readonly note!: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: '203.0.113.7',
    description: 'The address that the request came from.',
  })
  readonly ip!: string | null;

  @ApiProperty({ type: 'string', nullable: true, example: 'curl/8.5.0' })
  readonly userAgent!: string | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: '0b9f0a52-7d0c-4a3e-9d52-1f2f6c0e8a11',
    description: 'The `X-Request-Id` of that request.',
  })
  readonly requestId!: string | null;

  /** As the user it is about may see it: who else acted on them, and from where, is not theirs to know. */
  static forSubject(event: AuditEvent): AuditEventDto {
    const isByAnother = event.actorId !== null && event.actorId !== event.userId;
    return {
      ...AuditEventDto.from(event),
      ...(isByAnother && { actorId: null, ip: null, userAgent: null, requestId: null }),
    };
  }

  static from(event: AuditEvent): AuditEventDto {
    const { id, at, type, outcome, userId, sessionId, actorId, reason, note, ip, userAgent, requestId } = event;
    return {
      id,
      at: at.toISOString(),
      type,
      outcome,
      userId,
      sessionId,
      actorId,
      reason,
      note,
      ip,
      userAgent,
      requestId,
    };
  }
}
