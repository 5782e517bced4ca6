import { createStore } from './store.mjs';

/** Shows an event stream while it lasts. Swagger UI by itself waits for the end of an answer, and a stream has none. */
export function stream({ React }) {
  const h = React.createElement;
  // Of each open stream, by route: its events so far, and how to stop it.
  const streams = createStore(new Map());
  const put = (path, value) => streams.set(new Map(streams.get()).set(path, value));

  async function listen(system, request) {
    const { pathName: path, method } = request;
    const { url, headers } = system.fn.buildRequest(request);
    system.specActions.setRequest(path, method, { url, headers, method: 'GET' });
    system.specActions.setMutatedRequest(path, method, { url, headers, method: 'GET' });
    const controller = new AbortController();
    put(path, { events: [], stop: () => controller.abort() });
    const answer = await read(url, { headers, signal: controller.signal, credentials: 'omit' }, (event) => {
      const { events, stop } = streams.get().get(path);
      put(path, { events: [...events, event], stop });
    });
    put(path, undefined);
    system.specActions.setResponse(path, method, answer);
  }

  function Panel({ path }) {
    const open = React.useSyncExternalStore(streams.subscribe, streams.get).get(path);
    if (!open) return null;
    return h(
      'section',
      { className: 'stream', 'aria-label': 'Events' },
      h('header', null, h('h4', null, 'Listening …'), h('button', { className: 'btn', onClick: open.stop }, 'Stop')),
      open.events.length === 0 && h('p', null, 'No event yet. Sign in, rename or end a device: it appears here.'),
      h(
        'ol',
        { 'aria-live': 'polite' },
        open.events.map(({ at, type, data }, index) =>
          h('li', { key: index }, h('time', null, at), ' ', h('b', null, type), ' ', h('code', null, data)),
        ),
      ),
    );
  }

  return {
    wrapComponents: {
      responses: (Original) => (props) => h(React.Fragment, null, h(Panel, { path: props.path }), h(Original, props)),
    },
    statePlugins: {
      spec: {
        wrapActions: {
          executeRequest: (original, system) => (request) =>
            isStream(request.operation) ? void listen(system, withServer(system, request)) : original(request),
        },
      },
    },
  };
}

const isStream = (operation) => operation?.getIn(['responses', '200', 'content', 'text/event-stream']) !== undefined;

const withServer = ({ oas3Selectors }, request) => ({
  ...request,
  contextUrl: location.href,
  operationId: request.operation.get('operationId'),
  server: oas3Selectors.selectedServer(),
  responseContentType: 'text/event-stream',
});

/** Reads an answer to its end, event by event if it is a stream, and returns it as Swagger UI shows one. */
async function read(url, options, onEvent) {
  const startedAt = Date.now();
  let text = '';
  try {
    const response = await fetch(url, options);
    const { status, statusText, ok } = response;
    const headers = Object.fromEntries(response.headers);
    const isEvents = headers['content-type']?.startsWith('text/event-stream');
    const parse = isEvents ? parser(onEvent) : () => {};
    try {
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text += part.value;
        parse(part.value);
      }
    } catch (error) {
      // What came before is shown, however the stream ended.
      if (error.name !== 'AbortError') text += `\n(${error.message})`;
    }
    const body = isEvents ? undefined : JSON.parse(text);
    return {
      ok,
      status,
      statusText,
      headers,
      url,
      text,
      data: text,
      body,
      obj: body,
      duration: Date.now() - startedAt,
    };
  } catch (error) {
    return { error: true, err: error };
  }
}

/** The fields of server-sent events, a block of lines for each event; comments such as `: ping` are left out. */
function parser(onEvent) {
  let rest = '';
  return (chunk) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line) ?? []);
      const of = (name) => fields.filter(([, field]) => field === name).map(([, , value]) => value);
      if (of('data').length > 0 || of('event').length > 0) {
        const [type = 'message'] = of('event');
        onEvent({ at: new Date().toLocaleTimeString(), type, data: of('data').join('\n') });
      }
    }
  };
}
