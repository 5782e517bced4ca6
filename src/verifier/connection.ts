import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { UnavailableError } from './errors.js';

const ANSWER_MAX_BYTES = 4 * 1024 * 1024;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Question {
  readonly method: 'GET' | 'POST';
  /** Relative to the address of Latchkey. */
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

/** Requests to Latchkey, over connections that are kept. Redirects are not followed. */
export class Connection {
  private readonly agent: HttpAgent;
  private readonly request: typeof httpRequest;

  constructor(
    private readonly url: URL,
    private readonly timeoutMs: number,
  ) {
    const isSecure = url.protocol === 'https:';
    this.request = isSecure ? httpsRequest : httpRequest;
    this.agent = isSecure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  }

  /** Throws {@link UnavailableError} where there is no answer in time. What was answered is for the caller to judge. */
  ask(question: Question): Promise<Answer> {
    return this.send(question, true);
  }

  /** Ends every connection. */
  close(): void {
    this.agent.destroy();
  }

  private send(question: Question, mayTryAgain: boolean): Promise<Answer> {
    const { method, path, headers, body } = question;
    return new Promise((resolve, reject) => {
      const request = this.request({
        ...urlToHttpOptions(new URL(path, this.url)),
        agent: this.agent,
        method,
        headers: body === undefined ? headers : { ...headers, 'Content-Length': Buffer.byteLength(body) },
      });
      let isStarted = false; // the answer
      let isOver = false;
      const timer = setTimeout(() => fail(this.timeoutError()), this.timeoutMs);
      const fail = (error: Error) => {
        isOver = true;
        reject(this.failure(error));
        request.destroy();
      };
      request.on('close', () => clearTimeout(timer));
      request.on('error', (error) => {
        if (request.reusedSocket && mayTryAgain && !isStarted && !isOver) {
          // A kept connection that was closed at the other end meanwhile says nothing about Latchkey.
          return resolve(this.send(question, false));
        }
        return fail(error);
      });
      request.on('response', (message) => {
        isStarted = true;
        readText(message, fail, (text) => {
          resolve({ status: message.statusCode ?? 0, headers: message.headers, text });
        });
      });
      request.end(body);
    });
  }

  private timeoutError(): UnavailableError {
    const message = `Latchkey at ${this.url.origin} did not answer within ${this.timeoutMs} ms.`;
    return new UnavailableError('timeout', message);
  }

  private failure(cause: Error): UnavailableError {
    if (cause instanceof UnavailableError) {
      return cause;
    }
    const message = `Latchkey at ${this.url.origin} cannot be reached: ${textOf(cause)}`;
    return new UnavailableError('unreachable', message, { cause });
  }
}

function readText(message: IncomingMessage, fail: (error: Error) => void, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  message.on('error', fail);
  message.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > ANSWER_MAX_BYTES) {
      fail(new UnavailableError('unexpected_answer', `Latchkey's answer has more than ${ANSWER_MAX_BYTES} bytes.`));
    }
  });
  message.on('end', () => done(Buffer.concat(chunks).toString()));
}

// Where a name has several addresses, what went wrong with each is inside.
const textOf = (error: Error): string =>
  error instanceof AggregateError ? error.errors.map(String).join(', ') : error.message;
