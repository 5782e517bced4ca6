import { defineProblem, ServiceUnavailableError } from '../../problems/problem.js';
import { StartError } from '../../problems/start-error.js';

const COMMAND = 'npm run database:restored (in the image: node dist/bin/database-restored.js)';
const WHAT_TO_DO =
  `Sessions that were ended since may be open in it again. Run ${COMMAND}, which ends every session that it has; ` +
  `or set RESTORED=acknowledged, where nothing was lost or you have taken care of it.`;

/** What the operator reads, at a start and in the log. */
export const explain = (why: string): string =>
  `The database seems to be restored from a backup: ${why}. ${WHAT_TO_DO}`;

const RETRY_AFTER_SECONDS = 10;

/** Of every request while the database is refused. Clients read that the service is unavailable, the log why. */
export class DatabaseRefusedError extends ServiceUnavailableError {
  constructor(why: string) {
    super(RETRY_AFTER_SECONDS);
    // What the filter logs; the place where it was thrown explains nothing.
    this.stack = explain(why);
  }
}

/** What `/health/ready` answers. */
export const DatabaseWentBackError = defineProblem(
  'database_went_back',
  503,
  'The database lacks what it had answered, as after a restore from a backup, so no request is served. The log of the ' +
    'service says what to do.',
);

/** A start on such a database. */
export class DatabaseRestoredError extends StartError {
  constructor(why: string) {
    super(explain(why));
  }
}
