import { Client, type ClientConfig, type QueryConfig } from 'pg';
import { requestContext } from '../http/request-context.js';
import type { HistoryCheck } from './history/history-check.js';

export interface ServiceClientOptions extends ClientConfig {
  /** Set before the first statement, by one: PgBouncer refuses them among the startup parameters. */
  readonly sessionSettings?: Readonly<Record<string, number | string>>;
  /** Each transaction may be on another of the server's connections, so that none can be set, or keep a statement. */
  readonly isPooledByTransaction?: boolean;
  /** Asked before the connection is used: whether the database is still the one that was served. */
  readonly history?: HistoryCheck;
}

/**
 * A connection of the service: its statements carry the id of their request, and it is closed when one runs past
 * `query_timeout`. The driver reports the time-out and hands the connection back to the pool with the query still on it,
 * where all that come after would wait behind it.
 */
export class ServiceClient extends Client {
  constructor(private readonly options: ServiceClientOptions = {}) {
    super(options);
    // A query reports that the connection is lost. Between two queries of one transaction there is no listener, and an
    // error without one ends the process.
    this.on('error', () => undefined);
  }

  override connect(): Promise<this>;
  override connect(callback: (error: unknown, client?: this) => void): void;
  override connect(callback?: (error: unknown, client?: this) => void): Promise<this> | void {
    const ready = super.connect().then(() => this.set());
    return callback ? void ready.then((client) => callback(null, client), callback) : ready;
  }

  // One implementation of the driver's seven overloads.
  // oxlint-disable typescript/no-explicit-any
  override query(statement: any, values?: any, callback?: any): any {
    const sent: any = this.asSent(statement);
    const answer: unknown = super.query(sent, values, callback);
    return answer instanceof Promise ? answer.catch((error: unknown) => this.closeIfTimedOut(error)) : answer;
  }

  // oxlint-enable typescript/no-explicit-any

  private async set(): Promise<this> {
    const settings = this.options.isPooledByTransaction ? [] : Object.entries(this.options.sessionSettings ?? {});
    try {
      if (settings.length > 0) {
        await this.query(settings.map(([name, value]) => `SET ${name} = '${value}'`).join('; '));
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

  private closeIfTimedOut(error: unknown): never {
    if (error instanceof Error && error.message === 'Query read timeout') {
      // With a query under way this closes the connection at once, instead of waiting until the server ends it.
      this.end().catch(() => undefined);
    }
    throw error;
  }
}

// A comment, which pg_stat_activity and the server's log show. Behind the first word: tracing takes that for the name of
// the operation, and pg_stat_activity cuts the end off. The id has no characters that could end it.
function withRequestId(text: string): string {
  const id = requestContext.getStore();
  return id === undefined ? text : text.replace(/^\s*(\w+)/, `$1 /* ${id} */`);
}
