import { Client, type ClientConfig } from 'pg';

/**
 * A connection that is closed when a query on it runs past `query_timeout`. The driver reports the time-out and hands
 * the connection back to the pool with the query still on it, where everybody after would wait behind it.
 */
export class DeadlineClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    // oxlint-disable-next-line typescript/unbound-method -- bound again where it is applied
    this.query = new Proxy(this.query, {
      apply: (query, _self, args: unknown[]) => {
        const result: unknown = Reflect.apply(query, this, args);
        if (result instanceof Promise) {
          result.catch((error: unknown) => this.closeIfTimedOut(error));
        }
        return result;
      },
    });
  }

  private closeIfTimedOut(error: unknown): void {
    if (error instanceof Error && error.message === 'Query read timeout') {
      // With a query under way this cuts the connection instead of waiting for the server to say goodbye.
      this.end().catch(() => undefined);
    }
  }
}
