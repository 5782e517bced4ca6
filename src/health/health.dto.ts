import { ApiProperty } from '@nestjs/swagger';
import { DURABILITY_RISKS, type DurabilityRisk } from '../database/durability.js';

export class HealthDto {
  @ApiProperty({ enum: ['ok'], example: 'ok' })
  readonly status!: 'ok';
}

export class ReadinessDto extends HealthDto {
  /** Settings of the database by which a crash or a failover may undo logouts that were answered. Requests are served all the same. */
  @ApiProperty({ enum: DURABILITY_RISKS, isArray: true, example: [] })
  readonly durabilityRisks!: DurabilityRisk[];
}
