// The refresh token travels in JSON and is kept by the application: for Node.js, and for apps on devices.

/** @typedef {import('../client.mjs').RefreshTokenStorage} RefreshTokenStorage */

/**
 * Keeps the refresh token until the process ends.
 *
 * @returns {RefreshTokenStorage}
 */
export function memoryStorage() {
  /** @type {string | null} */
  let token = null;
  return {
    get: () => token,
    set: (refreshToken) => {
      token = refreshToken;
    },
    delete: () => {
      token = null;
    },
  };
}

export class BodyDelivery {
  // A cookie beside a token in the body would be refused as ambiguous.
  credentials = /** @type {const} */ ('omit');
  ofLogin = { tokenDelivery: /** @type {const} */ ('body') };
  #storage;
  /** @type {Promise<unknown>} */
  #turns = Promise.resolve();
  /** @type {Promise<unknown>} */
  #writes = Promise.resolve();

  /** @param {RefreshTokenStorage} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /**
   * Does what changes the refresh token: one at a time, and one process at a time where the storage has a lock.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  inTurn(work) {
    const turn = this.#turns.then(() => this.#storage.lock?.(work) ?? work());
    this.#turns = turn.catch(() => {});
    return turn;
  }

  async mayBeSignedIn() {
    return (await this.#read()) !== null;
  }

  async askTabs() {}

  async refreshBody() {
    const refreshToken = await this.#read();
    return refreshToken === null ? null : { refreshToken };
  }

  /** @param {{ refreshToken?: string }} result */
  async keep({ refreshToken }) {
    if (refreshToken !== undefined) await this.#write(() => this.#storage.set(refreshToken));
  }

  async forget() {
    await this.#write(() => this.#storage.delete());
  }

  tell() {}

  close() {}

  async #read() {
    await this.#writes;
    return (await this.#storage.get()) ?? null;
  }

  // In the order of what happened, however long each takes.
  /** @param {() => void | Promise<void>} work */
  #write(work) {
    const write = this.#writes.then(work);
    this.#writes = write.catch(() => {});
    return write;
  }
}
