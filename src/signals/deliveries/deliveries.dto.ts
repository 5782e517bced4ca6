import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { namedType } from '../../http/openapi/named-type.js';
import { PageOf, PageQueryDto } from '../../http/pagination.js';
import { IsOptionalField } from '../../http/validation.js';
import { DELIVERY_STATES, type DeliveryState } from './delivery.entity.js';
import type { DeliveryView } from './delivery-view.js';

const STATE = namedType(
  'DeliveryState',
  DELIVERY_STATES,
  'Waiting to be taken, taken by the receiver (`delivered`), or given up after three days (`dead`).',
);

export class DeliveriesQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ ...STATE, description: 'Only those in this state.' })
  @IsIn(DELIVERY_STATES, { message: `must be one of ${DELIVERY_STATES.join(', ')}` })
  @IsOptionalField()
  readonly state?: DeliveryState;
}

export class DeliveryDto {
  @ApiProperty({
    format: 'uuid',
    example: '3f0c2b7e-94a1-4c0d-8f5e-2b9d6a7c1e40',
    description: 'The `webhook-id`, the same at every attempt.',
  })
  readonly id!: string;

  @ApiProperty({ example: 'session.revoked' })
  readonly event!: string;

  @ApiProperty({ type: 'string', format: 'uuid', nullable: true, example: '5b1f7d1e-6f0b-4a9e-8a3c-0d2f4c8b9e61' })
  readonly userId!: string | null;

  @ApiProperty({ type: 'string', format: 'uuid', nullable: true, example: '9d2c7e1a-4b5f-4d3e-8c6a-7f1b2e3d4c5a' })
  readonly sessionId!: string | null;

  @ApiProperty({ type: 'string', nullable: true, example: 'logout' })
  readonly reason!: string | null;

  @ApiProperty({ format: 'date-time', example: '2026-11-28T09:30:00.000Z', description: 'When it happened.' })
  readonly at!: string;

  @ApiProperty({ ...STATE, example: 'delivered' })
  readonly state!: DeliveryState;

  @ApiProperty({ type: 'integer', example: 1, description: 'How often it was tried.' })
  readonly attempts!: number;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 204,
    description: 'The HTTP status of the last answer; null where there was none.',
  })
  readonly status!: number | null;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: '',
    description: 'The first line of the last answer, as the receiver wrote it, or why there was none.',
  })
  readonly answer!: string | null;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'When it is tried next; null where it is not.',
  })
  readonly nextAttemptAt!: string | null;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true, example: '2026-11-28T09:30:00.200Z' })
  readonly finishedAt!: string | null;

  static from(delivery: DeliveryView): DeliveryDto {
    const { id, event, userId, sessionId, reason, state, attempts, status, answer } = delivery;
    return {
      id,
      event,
      userId,
      sessionId,
      reason,
      at: delivery.at.toISOString(),
      state,
      attempts,
      status,
      answer,
      nextAttemptAt: delivery.nextAttemptAt?.toISOString() ?? null,
      finishedAt: delivery.finishedAt?.toISOString() ?? null,
    };
  }
}

export class DeliveriesPageDto extends PageOf(DeliveryDto) {}
