import { type ArgumentsHost, Catch } from '@nestjs/common';
import { DatabaseError } from 'pg';
import { DataSource, QueryFailedError } from 'typeorm';
import { codeOf } from '../problems/error-code.js';
import { Problem } from '../problems/problem.js';
import { ProblemFilter } from '../problems/problem.filter.js';
import { InjectOurDataSource } from './data-source.js';
import { Database } from './database.js';
import { missingMigrations, UnknownSchemaError } from './missing-migrations.js';

// A table, column, function or the like that is not there, or not so.
const NOT_IN_SCHEMA_SQLSTATE = /^42/;

/**
 * A statement that asks for what the schema does not have is our mistake, and stays one. Unless the schema is not the
 * one this code knows: then the service is unavailable until it is.
 */
@Catch(QueryFailedError, DatabaseError)
export class SchemaFilter extends ProblemFilter {
  constructor(@InjectOurDataSource() private readonly dataSource: DataSource) {
    super();
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    if (!NOT_IN_SCHEMA_SQLSTATE.test(codeOf(error))) {
      super.catch(error, host);
      return;
    }
    // Nest does not wait for a filter; the answer does.
    void missingMigrations(this.dataSource.migrations, new Database(this.dataSource))
      .then((missing) => (missing.length > 0 ? new UnknownSchemaError(missing) : error))
      // A connection that is opened for this may have been refused already, for what it lacks.
      .catch((failure: unknown) => (failure instanceof Problem ? failure : error))
      .then((answer) => super.catch(answer, host));
  }
}
