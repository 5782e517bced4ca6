// The routes of the API by name.
import { UnreachableError, bodyOf } from './errors.mjs';
import { SignIn } from './sign-in.mjs';

/** @typedef {{ params?: Record<string, string>, query?: Record<string, string | number | boolean | undefined>, body?: object }} Values */

// An EventTarget takes any listener. The declared type takes those of our events.
/** @typedef {Omit<import('../client.mjs').LatchkeyClient, 'addEventListener' | 'removeEventListener'>} Declared */

/** @implements {Declared} */
export class LatchkeyClient extends SignIn {
  /**
   * @param {string} method
   * @param {string} path
   * @param {Values} [values]
   */
  async request(method, path, { params, query, body } = {}) {
    return bodyOf(await this.ask(pathOf(path, { params, query }), { method, body }));
  }

  /** @param {object} credentials */
  async logIn(credentials) {
    await this.enterBy('/auth/login', { ...credentials, ...this.ofLogin });
  }

  /** @param {object} account */
  register(account) {
    return this.enterBy('/auth/register', { ...account, ...this.ofLogin });
  }

  /** @param {object} passwords */
  async changePassword(passwords) {
    await this.enterBy('/auth/password/change', passwords);
  }

  logOut() {
    return this.leaveBy('/auth/logout', 'logout');
  }

  logOutEverywhere() {
    return this.leaveBy('/auth/logout-all', 'logout_all');
  }

  /** @param {string} password */
  deleteAccount(password) {
    return this.leaveBy('/auth/me/delete', 'account_deleted', { password });
  }

  /** @returns {Promise<number>} */
  async logOutOthers() {
    const { revoked } = await this.request('POST', '/auth/logout-others');
    return revoked;
  }

  async listSessions() {
    const sessions = [];
    for (let cursor; cursor !== null;) {
      const page = await this.request('GET', '/sessions', { query: { limit: 100, cursor } });
      sessions.push(...page.items);
      cursor = page.nextCursor;
    }
    return sessions;
  }

  /** @param {{ limit?: number, cursor?: string }} [page] */
  listEndedSessions(page) {
    return this.request('GET', '/sessions/history', { query: page });
  }

  /** @param {string} id */
  async revokeSession(id) {
    await this.request('DELETE', '/sessions/{id}', { params: { id } });
  }

  /**
   * @param {string} id
   * @param {string} deviceName
   */
  renameSession(id, deviceName) {
    return this.request('PATCH', '/sessions/{id}', { params: { id }, body: { deviceName } });
  }

  async exportAccount() {
    const response = await this.ask('/auth/me/export');
    return response.blob().catch((cause) => {
      throw new UnreachableError(cause);
    });
  }

  async reloadUser() {
    const { session: _, ...user } = await this.request('GET', '/auth/me');
    this.user = user;
    this.emit('user');
  }
}

/**
 * An address of the OpenAPI document, filled in: `/sessions/{id}`.
 *
 * @param {string} template
 * @param {Values} values
 */
function pathOf(template, { params = {}, query = {} }) {
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name) => {
    const value = params[name];
    if (value === undefined) throw new TypeError(`${template} has no value for ${name}.`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.append(name, String(value));
  }
  return search.size > 0 ? `${path}?${search}` : path;
}
