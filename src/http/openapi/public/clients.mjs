import { learningFromAnswers } from './answers.mjs';
import { createStore } from './store.mjs';

/**
 * Authorizes the page as a service client with every answer that has a secret of one. A secret stays in this tab alone: where
 * tokens are kept over a reload, it is not.
 */
export function clients({ React }) {
  const h = React.createElement;
  const current = createStore(null);

  function learn(system, path, method, { ok, body, url }) {
    const [name] = schemesOf(system);
    if (!ok || !name) return;
    const [, id] = /\/([^/]+)\/secret$/.exec(url) ?? [];
    if (typeof body?.clientSecret === 'string') {
      const value = { username: id ?? body.id, password: body.clientSecret };
      system.authActions.authorize({ [name]: { name, schema: schemeOf(system, name), value } });
      current.set({ id: value.username, name: body.name });
    }
    if (method === 'delete' && current.get()?.id && url.endsWith(`/${current.get().id}`)) {
      system.authActions.logout([name]);
    }
  }

  function Status() {
    const client = React.useSyncExternalStore(current.subscribe, current.get);
    return h(
      'p',
      { className: 'client', role: 'status' },
      ...(client ? ['Service client: ', h('b', null, client.name ?? client.id)] : []),
    );
  }

  return {
    wrapComponents: {
      authorizeBtn: (Original) => (props) => h(React.Fragment, null, h(Status), h(Original, props)),
    },
    statePlugins: {
      ...learningFromAnswers(learn),
      auth: {
        wrapActions: {
          authorize: (original) => (payload) => {
            const entered = Object.values(payload).find((entry) => isBasic(entry?.schema));
            const id = entered?.value?.username;
            if (id && id !== current.get()?.id) current.set({ id });
            return original(payload);
          },
          logout: (original, system) => (names) => {
            if (schemesOf(system).some((name) => names.includes(name))) current.set(null);
            return original(names);
          },
          persistAuthorizationIfNeeded: (_original, system) => () => {
            const kept = system.authSelectors.authorized().filterNot((entry) => isBasic(entry.get('schema')));
            localStorage.setItem('authorized', JSON.stringify(kept));
          },
        },
      },
    },
  };
}

/**
 * Whether a request is one of a service client. Such a request goes without cookies, and not only because it needs none: with
 * them the browser would ask for a password, in a window of its own, where it is refused.
 */
export function isOfClient({ paths, components }, { url, method }) {
  const { pathname } = new URL(url, location.href);
  const { security = [] } = paths[pathname]?.[method.toLowerCase()] ?? {};
  return security.flatMap(Object.keys).some((name) => components.securitySchemes[name]?.scheme === 'basic');
}

const isBasic = (schema) => schema?.get('type') === 'http' && schema.get('scheme') === 'basic';

const schemesOf = ({ specSelectors }) => specSelectors.securityDefinitions().filter(isBasic).keySeq().toArray();

const schemeOf = ({ specSelectors }, name) => specSelectors.securityDefinitions().get(name);
