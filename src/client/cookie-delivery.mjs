// The refresh token is a cookie that no script sees. All tabs of an origin share it, so they share the sign-in too.
import { pause } from './pauses.mjs';

const ASK_TABS_MS = 200;
const MESSAGE_MS = 100;
const inTabs = () => globalThis.localStorage;

/** @typedef {import('../client.mjs').AuthResult} AuthResult */
/** @typedef {Pick<AuthResult, 'accessToken' | 'user' | 'session'> & { expiresAt: number }} Held */
/** @typedef {{ wanted: true } | { left: import('../client.mjs').SignedOutReason } | { held: Held }} Message */

export class CookieDelivery {
  /** What the browser sends with each request. */
  credentials = /** @type {const} */ ('include');
  /** What a login asks for. */
  ofLogin = {};
  #name;
  #tabs;

  /**
   * @param {string} baseUrl
   * @param {(message: Message) => void} hear
   */
  constructor(baseUrl, hear) {
    if (typeof globalThis.BroadcastChannel !== 'function' || typeof globalThis.location !== 'object') {
      throw new TypeError("Only browsers keep cookies: elsewhere, set tokenDelivery to 'body'.");
    }
    this.#name = `latchkey${baseUrl}`;
    this.#tabs = new BroadcastChannel(this.#name);
    this.#tabs.addEventListener('message', ({ data }) => hear(data));
  }

  /**
   * Does what changes the cookie: one tab at a time. Otherwise an answer to a refresh under way could bring the cookie back
   * that a logout in another tab has just taken away.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async inTurn(work) {
    // Missing where the page came by plain http. What can come back there is the cookie of an ended session: good for nothing.
    if (!navigator.locks) return work();
    const done = await navigator.locks.request(this.#name, { ifAvailable: true }, async (lock) =>
      lock === null ? null : { result: await work() },
    );
    if (done !== null) return done.result;
    return navigator.locks.request(this.#name, async () => {
      // What the tab before got is told by a message, which the lock may overtake.
      await pause(MESSAGE_MS);
      return work();
    });
  }

  /** Whether anyone may be signed in here: the cookie is not to be seen. */
  mayBeSignedIn() {
    return Boolean(inTabs()?.getItem(this.#name));
  }

  /** Gives the other tabs the time to say who is signed in. */
  async askTabs() {
    this.tell({ wanted: true });
    await pause(ASK_TABS_MS);
  }

  refreshBody() {
    return undefined;
  }

  keep() {
    inTabs()?.setItem(this.#name, 'signed in');
  }

  forget() {
    inTabs()?.removeItem(this.#name);
  }

  /** @param {Message} message */
  tell(message) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel reaches its own origin only
    this.#tabs.postMessage(message);
  }

  close() {
    this.#tabs.close();
  }
}
