import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as requestHttp,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import {
  type AddressRules,
  ForbiddenAddressError,
  isAllowedAddress,
  lookupAllowed,
} from '../receivers/receiver-address.js';
import { hostOf } from '../receivers/receiver-url.js';

const WITHIN_MS = 10_000;
const MOST_ANSWER_BYTES = 4096;
const MOST_SHOWN_CHARACTERS = 200;
const IDLE_MS = 5000;

/** It was not known yet whether the receiver takes it: this process ends. */
export class GivenUpAtStopError extends Error {
  constructor() {
    super('it had not answered when this process was stopped');
  }
}

/** What a receiver answered. */
export interface ReceiverAnswer {
  readonly status: number;
  /** Its first line, cut. */
  readonly text: string;
}

/** What is sent, and how it is labelled. */
export interface ReceiverMessage {
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends to receivers: to allowed addresses only, within ten seconds in all, following no redirect, and reading 4 kB of an answer
 * at most.
 */
export class ReceiverPost {
  private readonly https: HttpsAgent;
  private readonly http: HttpAgent;
  private readonly underWay = new Set<ClientRequest>();
  private isGivenUp = false;

  constructor(private readonly rules: AddressRules) {
    const options = { keepAlive: true, timeout: IDLE_MS, lookup: lookupAllowed(rules) };
    this.https = new HttpsAgent(options);
    this.http = new HttpAgent(options);
  }

  /** Throws where there is no answer in time, or nothing may be sent there; {@link GivenUpAtStopError}. */
  async send(target: string, { contentType, headers, body }: ReceiverMessage): Promise<ReceiverAnswer> {
    const url = new URL(target);
    const host = hostOf(url);
    // A literal address is not looked up.
    if (isIP(host) && !isAllowedAddress(host, this.rules)) {
      throw new ForbiddenAddressError(host, [host]);
    }
    const options: RequestOptions = {
      method: 'POST',
      agent: url.protocol === 'https:' ? this.https : this.http,
      headers: {
        accept: '*/*',
        ...headers,
        'content-type': contentType,
        'content-length': Buffer.byteLength(body),
        'user-agent': 'Latchkey',
      },
    };
    const answer = await this.answerTo(url, options, body);
    return { status: answer.statusCode ?? 0, text: firstLineOf(await readSome(answer)) };
  }

  /** Waits for no answer any longer, and sends nothing more. */
  giveUp(): void {
    this.isGivenUp = true;
    for (const request of this.underWay) request.destroy(new GivenUpAtStopError());
  }

  close(): void {
    this.https.destroy();
    this.http.destroy();
  }

  private answerTo(url: URL, options: RequestOptions, body: string): Promise<IncomingMessage> {
    if (this.isGivenUp) throw new GivenUpAtStopError();
    const signal = AbortSignal.timeout(WITHIN_MS);
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? requestHttps : requestHttp;
      const request = send(url, { ...options, signal });
      this.underWay.add(request);
      request.once('response', resolve);
      // An answer that switches protocols (101) is neither a response nor an error: without this its end would never come.
      request.once('close', () => {
        this.underWay.delete(request);
        reject(new Error('it closed the connection without an answer'));
      });
      request.on('error', (error) =>
        reject(signal.aborted ? new Error(`it did not answer within ${WITHIN_MS / 1000} seconds`) : error),
      );
      request.end(body);
    });
  }
}

/**
 * What is beyond is not read: the connection is closed. The status is what counts, so of an answer that breaks off, or does not
 * end in time, this is what there was.
 */
async function readSome(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Without an encoding chunks are buffers.
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= MOST_ANSWER_BYTES) {
        answer.destroy();
        break;
      }
    }
  } catch {
    answer.destroy();
  }
  return Buffer.concat(chunks).subarray(0, MOST_ANSWER_BYTES).toString();
}

/** As staff may be shown it, and the database can hold it: a stranger's words. */
export const firstLineOf = (text: string): string =>
  (text.trimStart().split(/[\r\n\u2028\u2029]/, 1)[0] ?? '')
    .replaceAll(/[^\P{C}\t]/gu, '')
    .slice(0, MOST_SHOWN_CHARACTERS);
