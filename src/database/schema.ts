import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { InjectOurDataSource } from './data-source.js';
import { DatabaseWentBackError } from './history/history.errors.js';
import { missingMigrations, UnknownSchemaError } from './missing-migrations.js';
import { historyOf, poolOf } from './pool.js';
import { ReservedConnections } from './reserved-connections.js';

/** Whether the database is one that this code may serve: it has what it had, and a schema that this code knows. */
@Injectable()
export class Schema {
  constructor(
    @InjectOurDataSource() private readonly dataSource: DataSource,
    private readonly reserved: ReservedConnections,
  ) {}

  /** Throws {@link DatabaseWentBackError} where the database lacks what it had. */
  requireIntact(): void {
    if (historyOf(poolOf(this.dataSource))?.wentBackWhy) {
      throw new DatabaseWentBackError();
    }
  }

  /**
   * Throws {@link UnknownSchemaError} where the database lacks a migration, and what the driver throws. It takes the way
   * of protected requests: where every other connection is busy, those are served all the same.
   */
  async requireKnown(): Promise<void> {
    const missing = await missingMigrations(this.dataSource.migrations, {
      query: (statement) => this.reserved.prepared('migrations', statement),
    });
    if (missing.length > 0) {
      throw new UnknownSchemaError(missing);
    }
  }
}
