import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheckService } from '@nestjs/terminus';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { ServiceUnavailableError } from '../problems/problem.js';
import { Public } from '../http/public.decorator.js';
import { DatabaseWentBackError } from '../database/history/history.errors.js';
import { Readiness } from '../http/readiness.js';
import { DatabaseState } from './database-state.js';
import { HealthDto, ReadinessDto } from './health.dto.js';

@ApiTags('Health')
@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly database: DatabaseState,
    private readonly readiness: Readiness,
  ) {}

  @Get('live')
  @ApiOperation({ summary: 'Does the process run?', description: 'Asks nothing else; restart it when this fails.' })
  @ApiOkResponse({ type: HealthDto })
  getLiveness(): HealthDto {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({
    summary: 'Can it serve requests?',
    description:
      'Asks the database, and whether its schema is the one this release knows or a later one. `database_went_back` says ' +
      'that it lacks what it had, as after a restore from a backup, and no request is served. 503 as soon as the ' +
      'process is asked to stop, so that no new requests are sent to it. `durabilityRisks` is for the operator.',
  })
  @ApiOkResponse({ type: ReadinessDto })
  @ApiProblems(ServiceUnavailableError, DatabaseWentBackError)
  async getReadiness(): Promise<ReadinessDto> {
    if (!this.readiness.isReady) {
      throw new ServiceUnavailableError();
    }
    this.database.requireIntact();
    await this.health.check([() => this.database.indicator()]);
    return { status: 'ok', durabilityRisks: await this.database.findRisks() };
  }
}
