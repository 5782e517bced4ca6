import type { Api } from './api.js';
import { basic, type TestClient } from './clients.js';
import { ledger } from './ledger.js';

const FORM = 'application/x-www-form-urlencoded';

export const INACTIVE = '{"active":false}';

/** An answer with its bytes. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Another service that asks about tokens. */
export class Introspector {
  constructor(
    readonly api: Api,
    readonly client: Pick<TestClient, 'id' | 'clientSecret'>,
  ) {}

  /** The same service at another instance. */
  at(api: Api): Introspector {
    return new Introspector(api, this.client);
  }

  /** Sends a form, by default with the client in the Authorization header. */
  async send(
    parameters: string | Record<string, string>,
    headers: Record<string, string> = {},
    path = '/oauth/introspect',
  ): Promise<RawAnswer> {
    const body = typeof parameters === 'string' ? parameters : new URLSearchParams(parameters).toString();
    const response = await fetch(this.api.url + path, {
      method: 'POST',
      headers: { authorization: basic(this.client), 'content-type': FORM, ...headers },
      body,
    });
    const text = await response.text();
    // A signed answer looks like a token, and is for this client.
    const isSigned = response.headers.get('content-type') === 'application/token-introspection+jwt';
    ledger.note(`POST ${path}`, parameters, response.status, isSigned ? '' : text);
    return { status: response.status, headers: response.headers, text };
  }

  /** What it is answered about a token. */
  async ask(token: string, others: Record<string, string> = {}): Promise<Record<string, unknown>> {
    const { status, text } = await this.send({ token, ...others });
    if (status !== 200) {
      throw new Error(`introspection answered ${status}: ${text}`);
    }
    return JSON.parse(text);
  }

  async isActive(token: string): Promise<boolean> {
    return (await this.ask(token))['active'] === true;
  }

  batch(tokens: unknown, headers: Record<string, string> = {}) {
    return this.api.call('POST', '/verify/batch', {
      body: typeof tokens === 'string' ? tokens : { tokens },
      headers: { authorization: basic(this.client), 'content-type': 'application/json', ...headers },
    });
  }
}
