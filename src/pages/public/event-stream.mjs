// Follows an event stream of the API with fetch, since an EventSource sends no headers. Nothing of the DOM.

const SILENCE_MS = 40_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The pauses between tries, each twice as long as the one before, and over at once where the network comes back. */
export class Pauses {
  #next = FIRST_PAUSE_MS;

  reset() {
    this.#next = FIRST_PAUSE_MS;
  }

  async take() {
    const online = new Promise((resolve) => globalThis.addEventListener?.('online', resolve, { once: true }));
    const wait = this.#next;
    this.#next = Math.min(wait * 2, LONGEST_PAUSE_MS);
    await Promise.race([pause(wait), online]);
  }
}

/**
 * Hands over each message of the stream, and connects again wherever it breaks off or is silent, until the signal.
 *
 * @param connect sends the request with these headers and this signal; answers the response, or throws
 * @param onMessage gets `{ comment }` or `{ id, type, data }`
 * @param onLost gets the error, or null where the service closed the stream in good order
 */
export async function follow({ connect, signal, onMessage, onLost }) {
  const pauses = new Pauses();
  let lastEventId = null;
  while (!signal.aborted) {
    const silence = new AbortController();
    let watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
    let error = null;
    try {
      const headers = lastEventId === null ? {} : { 'Last-Event-ID': lastEventId };
      const response = await connect({ headers, signal: AbortSignal.any([signal, silence.signal]) });
      for await (const message of messagesOf(response.body)) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
        lastEventId = message.id ?? lastEventId;
        pauses.reset();
        onMessage(message);
      }
    } catch (cause) {
      error = cause;
    }
    clearTimeout(watchdog);
    if (signal.aborted) return;
    onLost(error);
    await pauses.take();
  }
}

async function* messagesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.data) yield { type: fields.event, id: fields.id, data: JSON.parse(fields.data) };
      else if (fields['']) yield { comment: fields[''] };
    }
  }
}
