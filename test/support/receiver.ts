import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { until } from './until.js';

/** A request that a receiver got. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A service that is sent deliveries: a real HTTP server, which takes all of them unless it is told otherwise. */
export class TestReceiver {
  readonly received: Received[] = [];
  /** How it answers, in place of 204. */
  answer: ((received: Received, response: ServerResponse) => void) | null = null;
  private server: Server | null = null;
  private port = 0;

  static async open(): Promise<TestReceiver> {
    const receiver = new TestReceiver();
    await receiver.start();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  /** On the same port as before. */
  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const received = { path: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() };
        this.received.push(received);
        if (this.answer) this.answer(received, response);
        else response.writeHead(204).end();
      });
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
    this.server = null;
  }

  /** What it got of a type about a user, once there are so many. */
  events(
    type: string,
    userId: string,
    count = 1,
  ): Promise<{ type: string; timestamp: string; data: Record<string, string> }[]> {
    return until(`${count} of ${type}`, () => {
      const found = this.received
        .map(({ body }) => JSON.parse(body))
        .filter((event) => event.type === type && event.data.userId === userId);
      return found.length >= count && found;
    });
  }
}
