import { Client, type ClientConfig } from 'pg';
import { requestContext } from '../http/request-context.js';
import { againIfRolledBack } from './rolled-back.js';

export interface ServiceClientOptions extends ClientConfig {
  /** Set before the first statement, by one: PgBouncer refuses them among the startup parameters. */
  readonly sessionSettings?: Readonly<Record<string, number>>;
  /** Each transaction may be on another of the server's connections, so that none can be set, or keep a statement. */
  readonly isPooledByTransaction?: boolean;
}

/**
 * A connection of the service: its statements carry the id of their request, one that the database rolled back is asked
 * again, and it is closed when one runs past `query_timeout`. The driver reports the time-out and hands the connection
 * back to the pool with the query still on it, where everybody after would wait behind it.
 */
export class ServiceClient extends Client {
  constructor(private readonly options: ServiceClientOptions = {}) {
    super(options);
    // Whoever uses the connection learns of its loss from the query. Between two queries of one holder nobody listens,
    // and an error that nobody listens to ends the process.
    this.on('error', () => undefined);
    // oxlint-disable-next-line typescript/unbound-method -- bound again where it is applied
    this.connect = new Proxy(this.connect, {
      apply: (connect, _self, [callback]: [((error: unknown, client?: this) => void)?]) => {
        const ready = Promise.resolve(Reflect.apply(connect, this, [])).then(() => this.set());
        return callback ? void ready.then((client) => callback(null, client), callback) : ready;
      },
    });
    // oxlint-disable-next-line typescript/unbound-method -- bound again where it is applied
    this.query = new Proxy(this.query, {
      apply: (query, _self, args: unknown[]) => {
        const [text, ...rest] = args;
        const ask = (): unknown => Reflect.apply(query, this, [this.asSent(text), ...rest]);
        return typeof args.at(-1) === 'function' ? ask() : this.answer(ask);
      },
    });
  }

  private async set(): Promise<this> {
    const settings = this.options.isPooledByTransaction ? [] : Object.entries(this.options.sessionSettings ?? {});
    if (settings.length > 0) {
      try {
        await this.query(settings.map(([name, value]) => `SET ${name} = ${value}`).join('; '));
      } catch (error) {
        // To its pool it never was a connection.
        this.end().catch(() => undefined);
        throw error;
      }
    }
    return this;
  }

  private asSent(statement: unknown): unknown {
    const isNamed =
      typeof statement === 'object' && statement !== null && 'name' in statement && !('submit' in statement);
    return this.options.isPooledByTransaction && isNamed ? { ...statement, name: undefined } : withRequestId(statement);
  }

  private async answer(ask: () => unknown): Promise<unknown> {
    // Inside a transaction a statement cannot go on alone: whoever began it begins again.
    const isAlone = this.getTransactionStatus() === 'I';
    try {
      return await (isAlone ? againIfRolledBack(() => Promise.resolve(ask())) : ask());
    } catch (error) {
      if (error instanceof Error && error.message === 'Query read timeout') {
        // With a query under way this cuts the connection instead of waiting for the server to say goodbye.
        this.end().catch(() => undefined);
      }
      throw error;
    }
  }
}

// A comment, which pg_stat_activity and the server's log show. Behind the first word: tracing takes that for the name of
// the operation, and pg_stat_activity cuts the end off. The id has no characters that could end it. What is prepared
// under a name must keep its text, and is left alone.
function withRequestId(text: unknown): unknown {
  const id = requestContext.getStore();
  return id !== undefined && typeof text === 'string' ? text.replace(/^\s*\w+/, `$& /* ${id} */`) : text;
}
