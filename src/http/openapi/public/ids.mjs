import { learningFromAnswers } from './answers.mjs';
import { createStore } from './store.mjs';

const MOST = 8;

/**
 * Offers ids from the last list: for the `id` of `/sessions/{id}` those of the last answer of a route that ends in
 * `/sessions`, for `userId` those of `/users`, for `cursor` the next page. So it is for routes of your own.
 */
export function ids({ React }) {
  const h = React.createElement;
  const lists = createStore(new Map());
  const Offer = React.createContext(null);

  const put = (key, items) => lists.set(new Map(lists.get()).set(key, items));

  function learn(system, path, method, { ok, body, url }) {
    if (!ok) return;
    const items = Array.isArray(body) ? body : body?.items;
    if (method === 'get' && Array.isArray(items)) {
      put(
        path.split('/').at(-1),
        items.filter(({ id }) => typeof id === 'string').map(({ id, current, ...item }) => offerOf(id, current, item)),
      );
      put(path, body.nextCursor ? [{ id: body.nextCursor, label: 'next page' }] : []);
    }
    const collection = collectionOf(path, 'id');
    const known = lists.get().get(collection) ?? [];
    if (method === 'delete') {
      put(
        collection,
        known.filter(({ id }) => !url.endsWith(`/${id}`)),
      );
    }
    if (method === 'patch' && typeof body?.id === 'string') {
      put(
        collection,
        known.map((item) => (item.id === body.id ? offerOf(body.id, body.current, body) : item)),
      );
    }
  }

  function Row(Original, props) {
    const { rawParam, param, pathMethod, onChange } = props;
    const name = rawParam.get('name');
    const isPath = rawParam.get('in') === 'path';
    const key = name === 'cursor' ? pathMethod[0] : collectionOf(pathMethod[0], name);
    const offers = React.useSyncExternalStore(lists.subscribe, lists.get).get(key) ?? [];
    const value = param?.get('value') ?? '';
    const filled = React.useRef('');
    // Another device is what one means to end; one's own is offered, but never filled in.
    const first = offers.find(({ isCurrent }) => !isCurrent)?.id ?? '';
    React.useEffect(() => {
      const isOpen = value === '' || (value === filled.current && !offers.some(({ id }) => id === value));
      if (isPath && isOpen && first !== value) {
        filled.current = first;
        onChange(rawParam, first === '' ? null : first);
      }
    }, [isPath, value, first, offers]);
    return h(Offer.Provider, { value: offers }, h(Original, props));
  }

  function Chips({ value, onChange }) {
    const offers = React.useContext(Offer) ?? [];
    const chip = ({ id, label }) =>
      h(
        'button',
        { key: id, type: 'button', title: id, 'aria-pressed': id === value, onClick: () => onChange(id) },
        label,
      );
    return offers.length === 0 ? null : h('div', { className: 'chips' }, offers.slice(0, MOST).map(chip));
  }

  return {
    wrapComponents: {
      parameterRow: (Original) => (props) => Row(Original, props),
      JsonSchemaForm: (Original) => (props) => h(React.Fragment, null, h(Original, props), h(Chips, props)),
    },
    statePlugins: {
      ...learningFromAnswers(learn),
    },
  };
}

/** `sessions` for the `id` of `/sessions/{id}`, `users` for a `userId`. */
function collectionOf(path, name) {
  const [, collection] = new RegExp(`([^/{}]+)/\\{${name}\\}`).exec(path) ?? [];
  return collection ?? (name.endsWith('Id') ? `${name.slice(0, -2)}s` : undefined);
}

function offerOf(id, isCurrent = false, { device, email, name, title, description, url, event }) {
  const label = device?.name ?? device?.label ?? email ?? name ?? title ?? description ?? url ?? event ?? id;
  return { id, isCurrent, label: isCurrent ? `${label} (this one)` : label };
}
