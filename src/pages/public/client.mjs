// A client of the public API for browsers. It knows nothing of a page. The refresh token is a cookie that no script sees;
// the access token is in memory only, here and in the other tabs of the same origin.
import { bodyOf, Refusal, SignedOut, Unreachable } from './answers.mjs';
import { follow, pause, Pauses } from './event-stream.mjs';

const ASK_TABS_MS = 200;
// With one of these a request did not count, since its token or its session is over.
const ENDED = new Set(['invalid_token', 'session_revoked', 'session_expired']);

/**
 * A sign-in, shared by all tabs of this origin. Events: `signedin`, once for each session; `user`, when what is
 * known of the user changed; `signedout` with `detail.reason`, a revocation reason or the code of a problem; `session` with
 * `detail` from the event stream; `live`, when from here on nothing is missed (`detail.isLate` where it may come late);
 * `lost` with `detail.error`, when the stream broke off: what happens until the next `live` is missed.
 */
export class Client extends EventTarget {
  user = null;
  session = null;
  #baseUrl;
  /** @type {string | null} */
  #accessToken = null;
  #listening = null;
  #tabs;
  #name;

  /** @param baseUrl the API's, where it is on another origin than the page; without a slash at the end */
  constructor(baseUrl = '') {
    super();
    this.#baseUrl = baseUrl;
    this.#name = `latchkey${baseUrl}`;
    this.#tabs = new BroadcastChannel(this.#name);
    this.#tabs.addEventListener('message', ({ data }) => this.#hear(data));
  }

  get isSignedIn() {
    return this.session !== null;
  }

  /** Finds out who is signed in here, and goes on trying while the service does not answer. Says whether it is anyone. */
  async start() {
    if (!localStorage.getItem(this.#name)) return false;
    this.#tell({ wanted: true });
    await pause(ASK_TABS_MS);
    const pauses = new Pauses();
    while (!this.isSignedIn) {
      try {
        return await this.refresh();
      } catch (error) {
        this.#emit('lost', { error });
        await pauses.take();
      }
    }
    return true;
  }

  /** Calls the API, with a fresh access token where this one is over. Throws {@link Refusal}, {@link Unreachable} or {@link SignedOut}. */
  async call(method, path, body) {
    return bodyOf(await this.#request(method, path, body, () => this.refresh()));
  }

  /** A document of the API, as it is. */
  async download(path) {
    const response = await this.#request('GET', path, undefined, () => this.refresh());
    return response.blob().catch((cause) => {
      throw new Unreachable('The document broke off.', { cause });
    });
  }

  logIn(credentials) {
    return this.#inTurn(async () => this.#enter(await bodyOf(await this.#request('POST', '/auth/login', credentials))));
  }

  /** Says whether it signed in. It does not where the address must be confirmed first. */
  register(credentials) {
    return this.#inTurn(async () => {
      const result = await bodyOf(await this.#request('POST', '/auth/register', credentials));
      if (result) this.#enter(result);
      return result !== null;
    });
  }

  /** Ends every session, and opens another one here. */
  changePassword(passwords) {
    return this.#inTurn(async () => {
      const renew = () => this.#refreshInTurn();
      this.#enter(await bodyOf(await this.#request('POST', '/auth/password/change', passwords, renew)));
    });
  }

  logOut() {
    return this.#leaveBy('/auth/logout', undefined, 'logout');
  }

  logOutEverywhere() {
    return this.#leaveBy('/auth/logout-all', undefined, 'logout_all');
  }

  deleteAccount(password) {
    return this.#leaveBy('/auth/me/delete', { password }, 'account_deleted');
  }

  /** Reads the user again: an address may have been confirmed elsewhere. */
  async reloadUser() {
    const { session: _, ...user } = await this.call('GET', '/auth/me');
    this.user = user;
    this.#emit('user');
  }

  /**
   * Gets an access token by the cookie: one tab at a time, and the others take what it got. Says whether anyone is signed
   * in; if not, the event gives this reason.
   */
  refresh(reason) {
    const before = this.#accessToken;
    return this.#inTurn(() => (this.#accessToken === before ? this.#refreshInTurn(reason) : this.isSignedIn));
  }

  async #refreshInTurn(reason) {
    const response = await this.#fetch('POST', '/auth/refresh');
    if (response.ok) {
      this.#enter(await bodyOf(response));
      return true;
    }
    const refusal = await Refusal.of(response);
    if (refusal.status !== 401) throw refusal;
    this.#leave(reason ?? refusal.code);
    return false;
  }

  #leaveBy(path, body, reason) {
    return this.#inTurn(async () => {
      await this.#request('POST', path, body, () => this.#refreshInTurn());
      if (this.isSignedIn) this.#leave(reason);
    });
  }

  async #request(method, path, body, renew, options) {
    const wasSignedIn = this.isSignedIn;
    const response = await this.#fetch(method, path, body, options);
    if (response.ok) return response;
    const refusal = await Refusal.of(response);
    if (!renew || !wasSignedIn || !ENDED.has(refusal.code)) throw refusal;
    // Where it is the session that ended, another tab may have signed in since, or changed the password.
    if (await renew()) {
      const second = await this.#fetch(method, path, body, options);
      if (second.ok) return second;
      const again = await Refusal.of(second);
      if (!ENDED.has(again.code)) throw again;
      this.#leave(again.code);
    }
    throw new SignedOut(refusal.message);
  }

  async #fetch(method, path, body, { headers = {}, signal } = {}) {
    try {
      return await fetch(this.#baseUrl + path, {
        method,
        credentials: 'include',
        headers: {
          ...(this.#accessToken && { Authorization: `Bearer ${this.#accessToken}` }),
          ...(body && { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
        signal,
      });
    } catch (cause) {
      throw new Unreachable('There was no answer.', { cause });
    }
  }

  /**
   * Does what changes the cookie: one tab at a time. Otherwise an answer to a refresh under way could bring the cookie back
   * that a logout in another tab has just taken away.
   */
  #inTurn(work) {
    // Missing where the page came by plain http. What can come back there is the cookie of an ended session: good for nothing.
    return navigator.locks ? navigator.locks.request(this.#name, work) : work();
  }

  #enter({ accessToken, user, session }, { isHeard = false } = {}) {
    this.#accessToken = accessToken;
    localStorage.setItem(this.#name, 'signed in');
    if (!isHeard) this.#tell({ accessToken, user, session });
    const isNew = this.session?.id !== session.id;
    Object.assign(this, { user, session });
    if (!isNew) {
      this.#emit('user');
      return;
    }
    this.#emit('signedin');
    this.#listening?.abort();
    this.#listening = new AbortController();
    void this.#listen(this.#listening.signal);
  }

  #leave(reason, { isHeard = false } = {}) {
    const wasSignedIn = this.isSignedIn;
    this.#listening?.abort();
    this.#accessToken = null;
    Object.assign(this, { user: null, session: null });
    localStorage.removeItem(this.#name);
    if (!isHeard) this.#tell({ left: reason });
    this.#emit('signedout', { reason, wasSignedIn });
  }

  #hear(message) {
    if (message.wanted) {
      if (this.isSignedIn) this.#tell({ accessToken: this.#accessToken, user: this.user, session: this.session });
    } else if (message.accessToken) {
      this.#enter(message, { isHeard: true });
    } else if (message.left && this.isSignedIn) {
      this.#leave(message.left, { isHeard: true });
    }
  }

  /** Hears what happens to the account's sessions, while this one lasts. */
  #listen(signal) {
    return follow({
      signal,
      connect: (options) => this.#request('GET', '/sessions/events', undefined, () => this.refresh(), options),
      onLost: (error) => this.#emit('lost', { error }),
      onMessage: ({ comment, type, data }) => {
        if (comment !== undefined) this.#emit('live', { isLate: comment === 'degraded' });
        else if (type !== 'session.revoked' || data.id !== this.session?.id) this.#emit('session', { type, ...data });
        else this.#endBy(data.reason);
      },
    });
  }

  /** This session ended. Where the password was changed in this browser, the cookie is that of the next one. */
  #endBy(reason) {
    if (reason === 'password_changed') this.refresh(reason).catch(() => {});
    else this.#leave(reason);
  }

  #tell(message) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel reaches its own origin only
    this.#tabs.postMessage(message);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
