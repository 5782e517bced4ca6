import { Client, type ClientConfig, type QueryConfig } from 'pg';
import { codeOf } from '../problems/error-code.js';
import { requestContext } from '../http/request-context.js';
import type { HistoryCheck } from './history/history-check.js';

// The function of PostgreSQL in which a commit waits for its standbys: unlike a message it has one name in all languages.
const WAIT_FOR_STANDBYS = 'SyncRepWaitForLSN';
// The driver's own time-out; and the server takes no writes, or serves no more.
const TIMED_OUT = 'Query read timeout';
const OUT_OF_SERVICE_SQLSTATE = new Set(['0A000', '25006', '55000', '57P01', '57P02', '57P03']);

export interface ServiceClientOptions extends ClientConfig {
  /** Set before the first statement, by one: PgBouncer refuses them among the startup parameters. */
  readonly sessionSettings?: Readonly<Record<string, number | string>>;
  /** Each transaction may be on another of the server's connections, so that none can be set, or keep a statement. */
  readonly isPooledByTransaction?: boolean;
  /** Whether the server must be a standby, and no primary. */
  readonly isToStandby?: boolean;
  /** Asked before the connection is used: whether the database is still the one that was served. */
  readonly history?: HistoryCheck;
}

/** A commit that may be gone after a failover: the wait for the standbys was ended before they had it. */
class UnconfirmedCommitError extends Error {
  /** statement_completion_unknown */
  readonly code = '40003';

  constructor() {
    super('The wait for the standbys was ended: what was committed may not have reached them.');
  }
}

/** The server is a standby, which may not know yet what the primary has committed. */
class StandbyError extends Error {
  /** read_only_sql_transaction */
  readonly code = '25006';

  constructor() {
    super('it is a standby and not the primary');
  }
}

/** The server is a primary, also where it has just been promoted: others may have what it lacks, and the reverse. */
class NoStandbyError extends Error {
  constructor() {
    super('it is a primary and not a standby');
  }
}

/**
 * A connection of the service to a primary, or where its options say so to a standby: its statements carry the id of their
 * request, and throw {@link UnconfirmedCommitError} where PostgreSQL only warns that the standbys have not got what it
 * committed.
 *
 * It is closed when the server turns out to be a primary no more, and when a statement runs past `query_timeout`: the driver
 * reports the time-out and hands the connection back to the pool with the query still on it, where all that come after would
 * wait behind it.
 */
export class ServiceClient extends Client {
  private isUnconfirmed = false;

  constructor(private readonly options: ServiceClientOptions = {}) {
    super(options);
    // A query reports that the connection is lost. Between two queries of one transaction there is no listener, and an
    // error without one ends the process.
    this.on('error', () => undefined);
    this.on('notice', ({ routine }) => {
      if (routine === WAIT_FOR_STANDBYS) this.isUnconfirmed = true;
    });
  }

  override connect(): Promise<this>;
  override connect(callback: (error: unknown, client?: this) => void): void;
  override connect(callback?: (error: unknown, client?: this) => void): Promise<this> | void {
    const ready = super.connect().then(() => this.prepare());
    return callback ? void ready.then((client) => callback(null, client), callback) : ready;
  }

  // One implementation of the driver's seven overloads.
  // oxlint-disable typescript/no-explicit-any
  override query(statement: any, values?: any, callback?: any): any {
    const sent: any = this.asSent(statement);
    const answer: unknown = super.query(sent, values, callback);
    return answer instanceof Promise ? answer.then(this.requireConfirmed, this.closeIfUseless) : answer;
  }

  // oxlint-enable typescript/no-explicit-any

  // A primary becomes a standby only by a restart, so once for each connection is enough.
  private async prepare(): Promise<this> {
    // Of the settings of a role the first would hide the warning that the standbys have not got a commit.
    const settings = { client_min_messages: 'warning', ...this.options.sessionSettings };
    const statements = Object.entries(this.options.isPooledByTransaction ? {} : settings).map(
      ([name, value]) => `SET ${name} = '${value}'`,
    );
    try {
      const answers: unknown = await this.query(
        [...statements, 'SELECT pg_is_in_recovery() AS "isStandby"'].join('; '),
      );
      const isStandby = isOfStandby(answers);
      if (isStandby !== (this.options.isToStandby ?? false)) {
        throw isStandby ? new StandbyError() : new NoStandbyError();
      }
      await this.options.history?.checkConnection(this);
    } catch (error) {
      // The pool does not count it as a connection, and would not close it.
      this.end().catch(() => undefined);
      throw error;
    }
    return this;
  }

  // What is prepared under a name must keep its text, and is sent without the id.
  private asSent(statement: string | QueryConfig): string | QueryConfig {
    if (typeof statement === 'string') {
      return withRequestId(statement);
    }
    const isPrepared = statement.name !== undefined && !this.options.isPooledByTransaction;
    // The driver also takes query objects of its own, which submit themselves.
    if (isPrepared || 'submit' in statement) {
      return statement;
    }
    return { ...statement, name: undefined, text: withRequestId(statement.text) };
  }

  // The same two functions for every statement.
  private readonly requireConfirmed = <Result>(result: Result): Result => {
    if (this.isUnconfirmed) {
      this.isUnconfirmed = false;
      throw new UnconfirmedCommitError();
    }
    return result;
  };

  private readonly closeIfUseless = (error: unknown): never => {
    this.isUnconfirmed = false;
    if (error instanceof Error && (error.message === TIMED_OUT || OUT_OF_SERVICE_SQLSTATE.has(codeOf(error)))) {
      // With a query under way this closes the connection at once, instead of waiting until the server ends it.
      this.end().catch(() => undefined);
    }
    throw error;
  };
}

// The driver answers several statements with an array, which its types do not say.
function isOfStandby(answers: unknown): boolean {
  const last: unknown = Array.isArray(answers) ? answers.at(-1) : answers;
  const rows: unknown = typeof last === 'object' && last !== null && 'rows' in last ? last.rows : null;
  const row: unknown = Array.isArray(rows) ? rows[0] : null;
  return typeof row === 'object' && row !== null && 'isStandby' in row && row.isStandby === true;
}

// A comment, which pg_stat_activity and the server's log show. Behind the first word: tracing takes that for the name of
// the operation, and pg_stat_activity cuts the end off. The id has no characters that could end it.
function withRequestId(text: string): string {
  const id = requestContext.getStore();
  return id === undefined ? text : text.replace(/^\s*(\w+)/, `$1 /* ${id} */`);
}
