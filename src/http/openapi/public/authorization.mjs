import { learningFromAnswers } from './answers.mjs';
import { createStore } from './store.mjs';

const ME = '/auth/me';
const LOGOUTS = new Set(['/auth/logout', '/auth/logout-all']);
// The service allows for clocks that differ by as much.
const SKEW_SECONDS = 30;
const MINUTE = 60_000;

const WHY_ENDED = {
  invalid_token: 'The access token has expired. Run POST /auth/refresh for the next one, or log in.',
  session_revoked: 'That session was ended. Log in to go on.',
  session_expired: 'That session has expired. Log in to go on.',
  logged_out: 'You logged out.',
};

/**
 * Authorizes the page with the access token of every answer that has one: who signed in last is who you are. Whether a
 * session still stands is never guessed: the service is asked, after everything that may have ended it.
 */
export function authorization({ React }) {
  const h = React.createElement;
  const who = createStore(null);
  let expiry;

  const tokenOf = ({ authSelectors }) => {
    const bearer = authSelectors.authorized().find((entry) => isBearer(entry.get('schema')));
    return bearer?.get('value');
  };

  function signIn(system, token, user, session) {
    authorizeEvery(system, token);
    remember(system, token, user, session);
  }

  function remember(system, token, user, session) {
    who.set({ email: user.email, role: user.role, device: session.device.name ?? session.device.label });
    clearTimeout(expiry);
    expiry = setTimeout(() => void identify(system), untilExpired(token));
  }

  function forget(system, code) {
    system.authActions.logoutWithPersistOption(bearersOf(system));
    who.set({ ended: WHY_ENDED[code] ?? WHY_ENDED.invalid_token });
  }

  async function identify(system, { isLogout = false } = {}) {
    const token = tokenOf(system);
    if (!token) return;
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(ME, { headers, credentials: 'omit' }).catch(() => null);
    const body = await response?.json().catch(() => null);
    if (!body || tokenOf(system) !== token) return;
    if (response.ok) remember(system, token, body, body.session);
    if (response.status === 401) forget(system, isLogout && body.code === 'session_revoked' ? 'logged_out' : body.code);
  }

  function learn(system, path, method, { ok, status, body, headers }) {
    if (ok && typeof body?.accessToken === 'string' && body.user && body.session) {
      signIn(system, body.accessToken, body.user, body.session);
    } else if (status === 401 || (ok && (method !== 'get' || isStream(headers)))) {
      void identify(system, { isLogout: ok && LOGOUTS.has(path) });
    }
  }

  function Status() {
    const current = React.useSyncExternalStore(who.subscribe, who.get);
    return h('p', { className: 'who', role: 'status' }, ...describe(h, current));
  }

  return {
    wrapComponents: {
      authorizeBtn: (Original) => (props) => h(React.Fragment, null, h(Status), h(Original, props)),
      // The browser sends the cookie, and no script can set it: there is nothing to type.
      AuthItem: (Original) => (props) =>
        props.schema.get('in') === 'cookie' ? h(CookieItem, props) : h(Original, props),
    },
    statePlugins: {
      ...learningFromAnswers(learn),
      auth: {
        wrapActions: {
          authorize: (original, system) => (payload) => {
            const entered = Object.values(payload).find((entry) => isBearer(entry?.schema));
            const action = original({ ...payload, ...(entered?.value && everyBearer(system, entered.value)) });
            if (entered) who.set(null);
            if (entered?.value) queueMicrotask(() => who.get() ?? void identify(system));
            return action;
          },
          logout: (original, system) => (names) => {
            const bearers = bearersOf(system);
            const isOurs = names.some((name) => bearers.includes(name));
            if (isOurs) who.set(null);
            return original(isOurs ? [...new Set([...names, ...bearers])] : names);
          },
          restoreAuthorization: (original, system) => (payload) => {
            const action = original(payload);
            void identify(system);
            return action;
          },
        },
      },
    },
  };

  function CookieItem({ schema, name, getComponent }) {
    const Markdown = getComponent('Markdown', true);
    return h(
      'div',
      { className: 'cookie-item' },
      h('h4', null, h('code', null, name), ' (a cookie of this browser)'),
      h(Markdown, { source: schema.get('description') }),
    );
  }
}

function describe(h, who) {
  if (who?.email) {
    const { email, device, role } = who;
    return ['Authorized as ', h('b', null, email), ' on ', h('b', null, device), role === 'admin' ? ', staff' : ''];
  }
  return [who?.ended ?? 'Not authorized yet. Register or log in below: this page authorizes itself.'];
}

// A stream ends with its session, or because it was stopped.
const isStream = (headers) => headers['content-type']?.startsWith('text/event-stream');

const isBearer = (schema) => schema?.get('type') === 'http' && schema.get('scheme') === 'bearer';

const bearerSchemes = ({ specSelectors }) => specSelectors.securityDefinitions().filter(isBearer);

const bearersOf = (system) => bearerSchemes(system).keySeq().toArray();

/** The same token opens routes for users and those for staff, if the account may: which it may, the service says. */
const everyBearer = (system, value) =>
  bearerSchemes(system)
    .map((schema, name) => ({ name, schema, value }))
    .toObject();

function authorizeEvery(system, value) {
  system.authActions.authorizeWithPersistOption(everyBearer(system, value));
}

/** Milliseconds until the service refuses the token for its age, or a minute, where it is old already or cannot be read. */
function untilExpired(token) {
  try {
    const { exp } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    return Math.max((exp + SKEW_SECONDS + 1) * 1000 - Date.now(), MINUTE);
  } catch {
    return MINUTE;
  }
}
