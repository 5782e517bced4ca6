// The sign-in of a person: who it is, what renews it, and what ends it. The access token is in memory only, here and in
// the other tabs of the same origin.
import { Api, isOver, reasonOf } from './api.mjs';
import { BodyDelivery, memoryStorage } from './body-delivery.mjs';
import { CookieDelivery } from './cookie-delivery.mjs';
import { ApiError, bodyOf } from './errors.mjs';
import { follow } from './event-stream.mjs';
import { Known } from './known.mjs';
import { Pauses } from './pauses.mjs';

// An access token that others are handed must live for as long as a request may be on its way.
const LEAST_LIFE_MS = 30_000;

/** @typedef {import('../client.mjs').AuthResult} AuthResult */
/** @typedef {import('../client.mjs').SignedOutReason} SignedOutReason */
/** @typedef {import('./cookie-delivery.mjs').Held} Held */
/** @typedef {import('./cookie-delivery.mjs').Message} Message */

export class SignIn extends Known {
  #api;
  #delivery;
  #followsEvents;
  #closing = new AbortController();
  /** @type {AbortController | null} */
  #listening = null;
  #expiresAt = 0;

  /** @param {import('../client.mjs').ClientOptions} [options] */
  constructor({ baseUrl = '', tokenDelivery = 'cookie', storage, followEvents, otherOrigins = [] } = {}) {
    super();
    const url = baseUrl.replace(/\/+$/, '');
    if (url === '' && typeof globalThis.location !== 'object') {
      throw new TypeError('Outside a page, baseUrl must say where Latchkey is.');
    }
    const isCookie = tokenDelivery === 'cookie';
    this.#delivery = isCookie
      ? new CookieDelivery(url, (message) => this.#hear(message))
      : new BodyDelivery(storage ?? memoryStorage());
    this.#api = new Api(url, this.#delivery.credentials, otherOrigins);
    this.#followsEvents = followEvents ?? isCookie;
  }

  /** @param {{ isFresh?: boolean }} [options] */
  async start({ isFresh = false } = {}) {
    if (!isFresh) {
      if (!(await this.#delivery.mayBeSignedIn())) return false;
      await this.#delivery.askTabs();
    }
    const { signal } = this.#closing;
    const pauses = new Pauses();
    while (!signal.aborted && (isFresh || !this.isSignedIn)) {
      try {
        return await this.refresh();
      } catch (error) {
        this.emit('lost', { error });
        await pauses.take(signal);
      }
    }
    return this.isSignedIn;
  }

  /**
   * A good answer of the API, as it is.
   *
   * @param {string} path
   * @param {import('./api.mjs').Call} [call]
   */
  ask(path, call = {}) {
    const renewal = this.#renewal((token) => this.#renewAfter(token));
    return this.#api.ask(path, call, renewal);
  }

  /**
   * @param {string | URL} address
   * @param {RequestInit} [init]
   */
  fetch(address, init = {}) {
    return this.#api.fetch(address, init, { renew: (token) => this.#renewAfter(token) });
  }

  async getAccessToken() {
    if (this.isSignedIn && Date.now() > this.#expiresAt - LEAST_LIFE_MS) await this.refresh();
    return this.#api.accessToken;
  }

  /**
   * Signs in by what this route answers. Says whether it did: it does not where the address must be confirmed first.
   *
   * @param {string} path
   * @param {object} fields
   * @returns {Promise<boolean>}
   */
  enterBy(path, fields) {
    return this.#delivery.inTurn(async () => {
      const renewal = this.#renewal(() => this.#refreshInTurn());
      const result = await bodyOf(await this.#api.ask(path, { method: 'POST', body: fields }, renewal));
      if (result !== null) await this.#enter(result);
      return result !== null;
    });
  }

  /** What a route that opens a session is to be asked. */
  get ofLogin() {
    return this.#delivery.ofLogin;
  }

  /**
   * Ends the sign-in by this route; fields where it takes others than the refresh token.
   *
   * @param {string} path
   * @param {SignedOutReason} reason
   * @param {object} [fields]
   */
  leaveBy(path, reason, fields) {
    return this.#delivery.inTurn(async () => {
      const body = fields ?? (await this.#delivery.refreshBody()) ?? undefined;
      let ended = reason;
      try {
        await this.#api.ask(
          path,
          { method: 'POST', body },
          this.#renewal(() => this.#refreshInTurn()),
        );
      } catch (error) {
        if (!isOver(error)) throw error;
        ended = reasonOf(error);
      }
      // The event stream may have said so before the answer.
      await (this.isSignedIn ? this.#leave(ended) : this.#delivery.forget());
    });
  }

  refresh() {
    return this.#renewAfter(this.#api.accessToken);
  }

  close() {
    this.#closing.abort();
    this.#listening?.abort();
    this.#delivery.close();
  }

  /** @param {import('./api.mjs').Renewal['renew']} renew */
  #renewal(renew) {
    const onEnded = async (/** @type {SignedOutReason} */ reason) => {
      if (this.isSignedIn) await this.#leave(reason);
      return this.signedOutReason ?? reason;
    };
    return { renew, onEnded };
  }

  /**
   * Gets another access token than this one: one tab at a time, and the others take what it got.
   *
   * @param {string | null} token
   * @param {SignedOutReason} [reason]
   * @returns {Promise<boolean>}
   */
  #renewAfter(token, reason) {
    return this.#delivery.inTurn(async () =>
      this.#api.accessToken === token ? this.#refreshInTurn(reason) : this.isSignedIn,
    );
  }

  /** @param {SignedOutReason} [reason] */
  async #refreshInTurn(reason) {
    const body = await this.#delivery.refreshBody();
    if (body === null) {
      await this.#leave(reason ?? 'invalid_refresh_token');
      return false;
    }
    const response = await this.#api.send('/auth/refresh', { method: 'POST', body });
    if (response.ok) {
      await this.#enter(await bodyOf(response));
      return true;
    }
    const error = await ApiError.of(response);
    if (error.status !== 401) throw error;
    await this.#leave(reason ?? reasonOf(error));
    return false;
  }

  /** @param {AuthResult} result */
  async #enter(result) {
    await this.#delivery.keep(result);
    const { accessToken, expiresIn, user, session } = result;
    const held = { accessToken, user, session, expiresAt: Date.now() + expiresIn * 1000 };
    this.#delivery.tell({ held });
    this.#take(held);
  }

  /** @param {Held} held */
  #take({ accessToken, user, session, expiresAt }) {
    this.#api.accessToken = accessToken;
    this.#expiresAt = expiresAt;
    if (!this.know({ user, session })) return;
    this.#listening?.abort();
    this.#listening = new AbortController();
    if (this.#followsEvents && !this.#closing.signal.aborted) void this.#listen(this.#listening.signal);
  }

  /** @param {SignedOutReason} reason */
  async #leave(reason) {
    this.#delivery.tell({ left: reason });
    const forgotten = this.#delivery.forget();
    this.#drop(reason);
    await forgotten;
  }

  /** @param {SignedOutReason} reason */
  #drop(reason) {
    this.#listening?.abort();
    this.#api.accessToken = null;
    this.knowNobody(reason);
  }

  /** @param {Message} message */
  #hear(message) {
    const { user, session } = this;
    const { accessToken } = this.#api;
    if ('held' in message) this.#take(message.held);
    else if ('left' in message && this.isSignedIn) this.#drop(message.left);
    else if ('wanted' in message && accessToken !== null && user !== null && session !== null) {
      this.#delivery.tell({ held: { accessToken, user, session, expiresAt: this.#expiresAt } });
    }
  }

  /**
   * Hears what happens to the account's sessions, while this one lasts.
   *
   * @param {AbortSignal} signal
   */
  #listen(signal) {
    return follow({
      signal,
      connect: (options) => this.ask('/sessions/events', options),
      onLost: (error) => this.emit('lost', { error }),
      onMessage: (message) => {
        if (message.comment !== undefined) this.emit('live', { isLate: message.comment === 'degraded' });
        else if (message.type === 'session.revoked' && message.data.id === this.session?.id) {
          const { reason } = message.data;
          // Where the password was changed in this browser, the refresh token is that of the next session.
          const end =
            reason === 'password_changed' ? this.#renewAfter(this.#api.accessToken, reason) : this.#leave(reason);
          end.catch((error) => this.emit('lost', { error }));
        } else this.emit('session', { type: message.type, ...message.data });
      },
    });
  }
}
