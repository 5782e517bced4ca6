import type { JSONWebKeySet } from 'jose';
import { type Answer, Connection } from './connection.js';
import { UnavailableError } from './errors.js';
import type { Settings } from './settings.js';

/** What Latchkey says about a token that is active. */
export interface ActiveToken {
  readonly sub: string;
  readonly sid: string;
  readonly username?: string;
  readonly amr?: readonly string[];
  readonly acr?: string;
}

const KEYS_PATH = '.well-known/jwks.json';
const BATCH_PATH = 'verify/batch';
const RETRY_AFTER_MAX_SECONDS = 60;
// Each failure to authenticate is audited and counted by Latchkey, and the next one would fail as well.
const REFUSED_FOR_SECONDS = 5;

/** Latchkey, as this service asks it. Whatever is not the answer that was asked for is an {@link UnavailableError}. */
export class Latchkey {
  private readonly connection: Connection;
  private readonly headers: Record<string, string>;
  private readonly origin: string;
  private readonly onError: Settings['onError'];
  private refused: { readonly error: UnavailableError; readonly until: number } | null = null;

  constructor({ url, timeoutMs, clientId, clientSecret, onError }: Settings) {
    this.onError = onError;
    // A request waits until the one before is over, and then for its own: half the time for each.
    this.connection = new Connection(url, timeoutMs / 2);
    this.origin = url.origin;
    // RFC 6749, section 2.3.1: both parts are encoded as in forms.
    const credentials = [clientId, clientSecret].map((part) => new URLSearchParams([['', part]]).toString().slice(1));
    this.headers = {
      'Content-Type': 'application/json',
      Accept: 'application/json',
      Authorization: `Basic ${Buffer.from(credentials.join(':')).toString('base64')}`,
    };
  }

  /** The public keys that access tokens are signed with. */
  readKeys(): Promise<JSONWebKeySet> {
    return this.reported(async () => {
      const question = { method: 'GET', path: KEYS_PATH, headers: { Accept: 'application/json' } } as const;
      const body = this.bodyOf(await this.connection.ask(question), KEYS_PATH);
      const keys = isRecord(body) && Array.isArray(body['keys']) ? body['keys'] : null;
      if (!keys?.every(isRecord)) {
        throw this.unexpected(KEYS_PATH, 'is not a set of keys');
      }
      if (keys.length === 0) {
        const message = `Latchkey at ${this.origin} publishes no keys. Its JWT_ALGORITHM must be ES256: what HS256 signs, Latchkey alone can verify.`;
        throw new UnavailableError('no_keys', message);
      }
      return { keys };
    });
  }

  /** What is true of each token, in their order, as it is after this was called: null where it is not active. */
  async check(tokens: readonly string[]): Promise<(ActiveToken | null)[]> {
    if (this.refused && performance.now() < this.refused.until) {
      throw this.refused.error;
    }
    return this.reported(async () => {
      const question = {
        method: 'POST',
        path: BATCH_PATH,
        headers: this.headers,
        body: JSON.stringify({ tokens }),
      } as const;
      const body = this.bodyOf(await this.connection.ask(question), BATCH_PATH);
      const results = isRecord(body) && Array.isArray(body['results']) ? body['results'] : [];
      if (results.length !== tokens.length) {
        throw this.unexpected(BATCH_PATH, 'does not have one result for each token');
      }
      return results.map((result) => this.activeToken(result));
    });
  }

  close(): void {
    this.connection.close();
  }

  /** Reports a failure once, however many wait for the answer. */
  private async reported<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof UnavailableError) {
        this.noteRefusal(error);
        this.onError(error);
      }
      throw error;
    }
  }

  private noteRefusal(error: UnavailableError): void {
    if (error.reason === 'client_refused' || error.reason === 'too_many_requests') {
      this.refused = { error, until: performance.now() + error.retryAfterSeconds * 1000 };
    }
  }

  private activeToken(result: unknown): ActiveToken | null {
    if (!isRecord(result) || typeof result['active'] !== 'boolean') {
      throw this.unexpected(BATCH_PATH, 'does not say whether each token is active');
    }
    if (!result['active']) {
      return null;
    }
    const { sub, sid, username, amr, acr } = result;
    if (typeof sub !== 'string' || typeof sid !== 'string') {
      throw this.unexpected(BATCH_PATH, 'does not say whose each token is');
    }
    return {
      sub,
      sid,
      ...(typeof username === 'string' && { username }),
      ...(isTexts(amr) && { amr }),
      ...(typeof acr === 'string' && { acr }),
    };
  }

  private bodyOf(answer: Answer, path: string): unknown {
    if (answer.status !== 200) {
      throw this.refusal(answer, path);
    }
    try {
      return JSON.parse(answer.text);
    } catch (cause) {
      throw this.unexpected(path, 'is not JSON', cause);
    }
  }

  private refusal({ status, headers }: Answer, path: string): UnavailableError {
    const said = `Latchkey at ${this.origin} answered ${status} to ${path}`;
    const retryAfterSeconds = secondsOf(headers['retry-after']);
    const refused = (why: string) =>
      new UnavailableError('client_refused', `${said}: ${why}`, { retryAfterSeconds: REFUSED_FOR_SECONDS });
    if (status === 401) {
      return refused('clientId or clientSecret is wrong, or the client was ended. npm run client:add makes a new one.');
    }
    if (status === 403) {
      return refused('this service client does not have the scope "verify".');
    }
    if (status === 429) {
      return new UnavailableError('too_many_requests', `${said}. Is clientSecret right?`, { retryAfterSeconds });
    }
    if (status >= 500) {
      return new UnavailableError('server_error', `${said}: it can say nothing right now.`, { retryAfterSeconds });
    }
    return status >= 300 && status < 400
      ? this.unexpected(path, `is a redirect to ${headers.location ?? 'nowhere'}, which is not followed`)
      : this.unexpected(path, `has the status ${status}`);
  }

  private unexpected(path: string, what: string, cause?: unknown): UnavailableError {
    const message = `The answer of ${this.origin} to ${path} ${what}. Is url that of Latchkey?`;
    return new UnavailableError('unexpected_answer', message, { cause });
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

const secondsOf = (header: string | undefined): number =>
  header !== undefined && /^\d{1,6}$/.test(header) ? Math.min(Math.max(1, Number(header)), RETRY_AFTER_MAX_SECONDS) : 1;
