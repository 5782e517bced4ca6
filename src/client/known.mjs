// What a page may know of the sign-in, and its events.

/** @typedef {import('../client.mjs').AuthResult} AuthResult */
/** @typedef {import('../client.mjs').SignedOutReason} SignedOutReason */

export class Known extends EventTarget {
  /** @type {AuthResult['user'] | null} */
  user = null;
  /** @type {AuthResult['session'] | null} */
  session = null;
  /** @type {SignedOutReason | null} */
  signedOutReason = null;

  get isSignedIn() {
    return this.session !== null;
  }

  /**
   * @param {string} type
   * @param {object} [detail]
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /**
   * Says whether it is another session than before.
   *
   * @param {Pick<AuthResult, 'user' | 'session'>} result
   */
  know({ user, session }) {
    const isNew = this.session?.id !== session.id;
    Object.assign(this, { user, session, signedOutReason: null });
    this.emit(isNew ? 'signedin' : 'user');
    return isNew;
  }

  /**
   * Why it ended is known from the first that says so: what was under way meanwhile is refused for having ended.
   *
   * @param {SignedOutReason} found
   */
  knowNobody(found) {
    const wasSignedIn = this.isSignedIn;
    const reason = this.signedOutReason ?? found;
    Object.assign(this, { user: null, session: null, signedOutReason: reason });
    this.emit('signedout', { reason, wasSignedIn });
  }
}
