// The HTTP of the client: requests with the access token, and once more with a fresh one where it was over.
import { ApiError, SignedOutError, UnreachableError } from './errors.mjs';

// With one of these a request did not count, since its token or its session is over.
const ENDED = new Set(['invalid_token', 'session_revoked', 'session_expired']);

// Without a "/" a path would go on with the name of the host, and after two the host would be another one. Where an address is
// read, "\" is a "/" as well, and tabs and line breaks are nothing.
const PATH = /^\/(?![\t\n\r]*[/\\])/;

// A logout that is refused with one of these has nothing left to end.
const OVER = new Set([...ENDED, 'invalid_refresh_token', 'refresh_token_reused']);

/** @typedef {import('../client.mjs').SignedOutReason} SignedOutReason */
/** @typedef {{ method?: string, body?: object, headers?: Record<string, string>, signal?: AbortSignal }} Call */

/**
 * @typedef {object} Renewal
 * @property {(token: string | null) => Promise<boolean>} renew gets another access token than this one, which may be there
 *   already; says whether there is one
 * @property {(reason: SignedOutReason) => Promise<SignedOutReason>} onEnded hears that the session is over; answers the
 *   reason that is known
 */

export class Api {
  /** @type {string | null} */
  accessToken = null;
  #baseUrl;
  #credentials;
  #otherOrigins;

  /**
   * @param {string} baseUrl
   * @param {RequestCredentials} credentials
   * @param {readonly string[]} otherOrigins
   */
  constructor(baseUrl, credentials, otherOrigins) {
    this.#baseUrl = baseUrl;
    this.#credentials = credentials;
    this.#otherOrigins = new Set(otherOrigins.map((origin) => new URL(origin).origin));
  }

  /**
   * Any answer. Throws {@link UnreachableError} where there is none, and a TypeError where the path is no path.
   *
   * @param {string} path
   * @param {Call} call
   */
  async send(path, { method = 'GET', body, headers = {}, signal }) {
    if (!PATH.test(path)) {
      throw new TypeError(`${JSON.stringify(path)} is not a path of Latchkey: it must begin with one "/".`);
    }
    try {
      return await fetch(this.#baseUrl + path, {
        method,
        credentials: this.#credentials,
        headers: {
          ...(this.accessToken && { Authorization: `Bearer ${this.accessToken}` }),
          ...(body && { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      });
    } catch (cause) {
      throw new UnreachableError(cause);
    }
  }

  /**
   * A good answer. Throws {@link ApiError}, {@link UnreachableError} or {@link SignedOutError}.
   *
   * @param {string} path
   * @param {Call} call
   * @param {Renewal} [renewal] what to do where the access token is over
   */
  async ask(path, call, renewal) {
    const token = this.accessToken;
    const response = await this.send(path, call);
    if (response.ok) return response;
    const error = await ApiError.of(response);
    if (!renewal || token === null || !ENDED.has(error.code)) throw error;
    // Where it is the session that ended, another tab may have signed in since, or changed the password.
    if (!(await renewal.renew(token))) throw new SignedOutError(await renewal.onEnded(reasonOf(error)));
    const second = await this.send(path, call);
    if (second.ok) return second;
    const again = await ApiError.of(second);
    if (!ENDED.has(again.code)) throw again;
    throw new SignedOutError(await renewal.onEnded(reasonOf(again)));
  }

  /**
   * As the platform's fetch, with the access token.
   *
   * @param {string | URL} address
   * @param {RequestInit} init
   * @param {Pick<Renewal, 'renew'>} renewal
   */
  async fetch(address, init, { renew }) {
    const own = new URL(this.#baseUrl || globalThis.location.href);
    const url = new URL(address, own);
    if (url.origin !== own.origin && !this.#otherOrigins.has(url.origin)) {
      throw new TypeError(`${url.origin} gets no access token: it is not in otherOrigins.`);
    }
    const send = () => {
      const headers = new Headers(init.headers);
      if (this.accessToken) headers.set('Authorization', `Bearer ${this.accessToken}`);
      return fetch(url, { ...init, headers });
    };
    const token = this.accessToken;
    const response = await send();
    // A body that was read from a stream is not there a second time.
    if (response.status !== 401 || token === null || init.body instanceof ReadableStream) return response;
    return (await renew(token)) ? send() : response;
  }
}

/**
 * A refusal as the reason of the end that it is.
 *
 * @param {ApiError} error
 */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a code that is newer than the types is handed on as it is
export const reasonOf = ({ code }) => /** @type {SignedOutReason} */ (code);

/**
 * Whether a logout was refused since there is nothing left to end.
 *
 * @param {unknown} error
 * @returns {error is ApiError}
 */
export const isOver = (error) => error instanceof ApiError && OVER.has(error.code);
