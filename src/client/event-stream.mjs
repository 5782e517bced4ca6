// Follows an event stream of the API with fetch, since an EventSource sends no headers.
import { Pauses } from './pauses.mjs';

const SILENCE_MS = 40_000;

/** @typedef {{ comment: string } | { comment?: undefined, id?: string, type: string, data: any }} Message */

/**
 * Hands over each message of the stream, and connects again wherever it breaks off or is silent, until the signal.
 *
 * @param {object} options
 * @param {(options: { headers: Record<string, string>, signal: AbortSignal }) => Promise<Response>} options.connect sends
 *   the request with these headers and this signal; answers the response, or throws
 * @param {AbortSignal} options.signal
 * @param {(message: Message) => void} options.onMessage
 * @param {(error: unknown) => void} options.onLost gets the error, or null where the service closed the stream in good order
 */
export async function follow({ connect, signal, onMessage, onLost }) {
  const pauses = new Pauses();
  /** @type {string | null} */
  let lastEventId = null;
  while (!signal.aborted) {
    const silence = new AbortController();
    let watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
    let error = null;
    try {
      /** @type {Record<string, string>} */
      const headers = lastEventId === null ? {} : { 'Last-Event-ID': lastEventId };
      const response = await connect({ headers, signal: AbortSignal.any([signal, silence.signal]) });
      for await (const message of messagesOf(response)) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
        if (message.comment === undefined) lastEventId = message.id ?? lastEventId;
        pauses.reset();
        onMessage(message);
      }
    } catch (cause) {
      error = cause;
    }
    clearTimeout(watchdog);
    if (signal.aborted) return;
    onLost(error);
    await pauses.take(signal);
  }
}

/**
 * @param {Response} response
 * @returns {AsyncGenerator<Message>}
 */
async function* messagesOf({ body }) {
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.data) yield { type: fields.event, id: fields.id, data: JSON.parse(fields.data) };
      else if (fields['']) yield { comment: fields[''] };
    }
  }
}
