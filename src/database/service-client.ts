import { Client, type ClientConfig } from 'pg';
import { requestContext } from '../common/request-context.js';
import { againIfRolledBack } from './rolled-back.js';

/**
 * A connection of the service: its statements carry the id of their request, one that the database rolled back is asked
 * again, and it is closed when one runs past `query_timeout`. The driver reports the time-out and hands the connection
 * back to the pool with the query still on it, where everybody after would wait behind it.
 */
export class ServiceClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    // Whoever uses the connection learns of its loss from the query. Between two queries of one holder nobody listens,
    // and an error that nobody listens to ends the process.
    this.on('error', () => undefined);
    // oxlint-disable-next-line typescript/unbound-method -- bound again where it is applied
    this.query = new Proxy(this.query, {
      apply: (query, _self, args: unknown[]) => {
        const [text, ...rest] = args;
        const ask = (): unknown => Reflect.apply(query, this, [withRequestId(text), ...rest]);
        return typeof args.at(-1) === 'function' ? ask() : this.answer(ask);
      },
    });
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
