import { Controller, Get, Logger } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { ApiProblems } from '../problems/api-problems.decorator.js';
import { ServiceUnavailableError } from '../problems/problem.js';
import { Public } from '../http/public.decorator.js';
import { AppConfig } from '../config/config.js';
import { DatabaseWentBackError } from '../database/history/history.errors.js';
import { Schema, UnknownSchemaError } from '../database/schema.js';
import { Readiness } from '../http/readiness.js';
import { HealthDto } from './health.dto.js';

// However often it is requested, the database is asked ten times a second at most.
const ASKED_EVERY_MS = 100;

@ApiTags('Health')
@Public()
@Controller('health')
export class HealthController {
  private readonly logger = new Logger('Health');

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly schema: Schema,
    private readonly readiness: Readiness,
    private readonly config: AppConfig,
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
      'process is asked to stop, so that no new requests are sent to it.',
  })
  @ApiOkResponse({ type: HealthDto })
  @ApiProblems(ServiceUnavailableError, DatabaseWentBackError)
  async getReadiness(): Promise<HealthDto> {
    if (!this.readiness.isReady) {
      throw new ServiceUnavailableError();
    }
    this.schema.requireIntact();
    await this.health.check([
      () =>
        this.indicators
          .check('database')
          .attempt(() => this.requireSchema())
          .withTimeout(this.config.sessionCheckTimeoutMs)
          .cacheFor(ASKED_EVERY_MS),
    ]);
    return { status: 'ok' };
  }

  private async requireSchema(): Promise<void> {
    try {
      await this.schema.requireKnown();
    } catch (error) {
      if (error instanceof UnknownSchemaError) this.logger.error(error.stack);
      throw error;
    }
  }
}
