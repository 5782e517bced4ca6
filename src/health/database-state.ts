import { Injectable, Logger } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import { AppConfig } from '../config/config.js';
import { Durability, type DurabilityRisk } from '../database/durability.js';
import { UnknownSchemaError } from '../database/missing-migrations.js';
import { Schema } from '../database/schema.js';

// However often it is requested, the database is asked ten times a second at most.
const ASKED_EVERY_MS = 100;

/** What readiness asks of the database. */
@Injectable()
export class DatabaseState {
  private readonly logger = new Logger('Health');

  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly schema: Schema,
    private readonly durability: Durability,
    private readonly config: AppConfig,
  ) {}

  /** Throws `database_went_back` where it lacks what it had. */
  requireIntact(): void {
    this.schema.requireIntact();
  }

  /** Whether it answers in time, and has the schema of this release. */
  indicator() {
    return this.indicators
      .check('database')
      .attempt(() => this.requireSchema())
      .withTimeout(this.config.sessionCheckTimeoutMs)
      .cacheFor(ASKED_EVERY_MS);
  }

  /** None where it does not say: that is no reason not to be ready. */
  findRisks(): Promise<DurabilityRisk[]> {
    return this.durability.findRisks().catch(() => []);
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
