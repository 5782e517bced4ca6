import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { BodyTooLargeError, UnsupportedMediaTypeError } from '../problems/http.errors.js';
import { defineProblem, type Problem } from '../problems/problem.js';

const BYTE_ORDER_MARK = 0xfeff;

/** How many members the JSON of a body has at most, and how many parameters a form: validation pays for each of them. */
export const MAX_MEMBERS = 256;

export const MalformedBodyError = defineProblem('malformed_body', 400, 'The body is not valid JSON in UTF-8.');

/** How a route takes its body, where that is not the JSON of every other. It looks for faults after all guards. */
export type BodyRule =
  | { readonly type: 'form' }
  /** Read after all guards too, so that nothing of it is kept for those who may not send one. */
  | { readonly type: 'large JSON'; readonly limitBytes: number; readonly maxMembers: number };

declare module 'fastify' {
  interface FastifyContextConfig {
    bodyRule?: BodyRule;
  }
}

/** What may be read of a request: so many bytes, as text of one media type. */
interface Readable {
  readonly mediaType: string;
  readonly limitBytes: number;
  readonly unsupported: () => Problem;
  readonly malformed: () => Problem;
}

export const readableJson = (limitBytes: number): Readable => ({
  mediaType: 'application/json',
  limitBytes,
  unsupported: () => new UnsupportedMediaTypeError(),
  malformed: () => new MalformedBodyError(),
});

/** The text of a body, empty where there is none, or why it cannot be read. Rejects where the client goes away. */
export async function readBody(
  headers: IncomingHttpHeaders,
  payload: IncomingMessage,
  { mediaType: expected, limitBytes, unsupported, malformed }: Readable,
): Promise<string | Problem> {
  if (Number(headers['content-length'] ?? 0) > limitBytes) {
    return new BodyTooLargeError();
  }

  const bytes = await bytesOf(payload, limitBytes);
  if (bytes === null) {
    return new BodyTooLargeError();
  }
  if (bytes.length === 0) {
    return '';
  }

  const [mediaType, ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const encoding = headers['content-encoding'] ?? 'identity';
  if (mediaType?.trim() !== expected || encoding !== 'identity') {
    return unsupported();
  }
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  if (charset && !/^charset="?utf-8"?$/.test(charset)) {
    return malformed();
  }
  return decode(bytes) ?? malformed();
}

/** Null where there are more. By its events: an iterator over a stream costs as much as all else that is done to a body. */
function bytesOf(payload: IncomingMessage, limitBytes: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const take = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > limitBytes) {
        payload.off('data', take).pause();
        resolve(null);
      }
    };
    const end = () => {
      if (payload.readableEnded) {
        resolve(Buffer.concat(chunks, length));
      } else {
        reject(new Error('The client went away before its body was whole.'));
      }
    };
    if (payload.destroyed) {
      end();
      return;
    }
    payload.on('data', take).once('end', end).once('close', end).once('error', reject);
  });
}

function decode(bytes: Buffer): string | null {
  // Overlong forms and lone continuation bytes are an error, not a replacement character.
  const text = isUtf8(bytes) ? bytes.toString() : null;
  return text?.charCodeAt(0) === BYTE_ORDER_MARK ? null : text;
}
